import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockDirectory } from "../../../src/node/database/lock-directory.ts";

describe("the lock of the data directory", () => {
  let directory = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "lock-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("is had by one at a time, and the refusal says by whom and what to do", () => {
    const lock = lockDirectory(directory);
    expect(() => lockDirectory(directory)).toThrow(
      new RegExp(
        `in use by another process \\(pid ${process.pid}\\).*stop that process.*DATA_DIR.*DATABASE_URL`,
      ),
    );
    lock.release();
    lockDirectory(directory).release();
  });

  it("is not held by files that a crashed process, of this or another container, left behind", () => {
    writeFileSync(join(directory, "postgres.pid"), "1\n");
    writeFileSync(join(directory, "postgres.lock"), "");
    expect(() => lockDirectory(directory).release()).not.toThrow();
  });

  it("says what to do about a directory that cannot be used", () => {
    const file = join(directory, "file");
    writeFileSync(file, "");
    expect(() => lockDirectory(file)).toThrow(/cannot hold the embedded database .*DATA_DIR/);
  });
});
