import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { createLineSeal } from "../../src/node/line-seal.ts";
import { openRejectedFile, REASONS } from "../../src/node/rejected-file.ts";
import { createSpoolLines } from "../../src/node/spool-line.ts";
import { takeBackSealed } from "../../src/node/take-back-sealed.ts";
import { recordOf } from "../helpers/turn-records.ts";

const RECORD = recordOf("/v1/chat/completions", { request: "a private question" });

function makeDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "rejected-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

describe("A sealed line", () => {
  const { seal, open } = createLineSeal("one secret");

  it("is one line that says nothing, never the same twice, and opens to what it was", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const line = seal(text);
        expect(line).toMatch(/^s1\.[\w-]{8}\.[\w+/=]+$/);
        expect(line).not.toBe(seal(text));
        expect(open(line)).toEqual({ text });
      }),
    );
    expect(seal(JSON.stringify(RECORD))).not.toContain("private");
  });

  it("opens under its own secret alone, and not where it was changed or cut", () => {
    const line = seal("a text");
    expect(createLineSeal("another secret").open(line)).toEqual({ fault: "another key" });
    for (const changed of [
      line.slice(0, -6),
      line.slice(0, 14),
      `${line.slice(0, 30)}A${line.slice(31)}`,
    ])
      expect(open(changed)).toEqual({ fault: "damaged" });
  });

  it("may be one of before there was a seal", () => {
    const lines = createSpoolLines("one secret");
    expect(lines.read(JSON.stringify(RECORD))).toMatchObject({ record: RECORD });
    expect(lines.read('{"id":"torn')).toEqual({ fault: "damaged" });
  });
});

describe("A line that was sealed under another secret", () => {
  it("is kept aside with its reason, and taken back where that secret is in force again", async () => {
    const directory = makeDirectory();
    const [before, now] = [createSpoolLines("before"), createSpoolLines("now")];
    const line = before.of(RECORD);
    const read = now.read(line);
    expect(read).toEqual({ fault: "another key" });
    const file = openRejectedFile(directory, now);
    file.add({ line, reason: REASONS["another key"], isTurn: true }, () => undefined);
    file.add({ line: now.of(RECORD), reason: "refused", isTurn: true }, () => undefined);
    expect(file.flush()).toBeNull();
    const path = join(directory, "rejected.ndjson");
    const kept = readFileSync(path, "utf8");
    expect(kept).toContain(line);
    expect(kept, "what the operator has to look at is readable").toContain("a private question");

    const taken: string[] = [];
    await takeBackSealed(directory, now, (one) => void taken.push(one));
    expect([taken, readFileSync(path, "utf8")]).toEqual([[], kept]);
    await takeBackSealed(directory, before, (one) => void taken.push(one));
    expect(taken).toEqual([line]);
    expect(readdirSync(directory)).toEqual(["rejected.ndjson"]);
    expect(readFileSync(path, "utf8")).toBe(`${kept.split("\n")[1]}\n`);
  });

  it("stays where it is, where it cannot be taken back", async () => {
    const directory = makeDirectory();
    const lines = createSpoolLines("now");
    const file = openRejectedFile(directory, lines);
    const line = createSpoolLines("before").of(RECORD);
    file.add({ line, reason: REASONS["another key"], isTurn: true }, () => undefined);
    file.flush();
    const before = createSpoolLines("before");
    const full = () => {
      throw new Error("the disk is full");
    };
    await expect(takeBackSealed(directory, before, full)).rejects.toThrow("the disk is full");
    const taken: string[] = [];
    await takeBackSealed(directory, before, (one) => void taken.push(one));
    expect(taken).toEqual([line]);
    expect(readdirSync(directory)).toEqual([]);
  });
});
