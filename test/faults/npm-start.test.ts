import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it } from "vitest";

describe("npm start", () => {
  it("needs no variable, and ends when npm is told to end", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "proxy-npm-"));
    const { PATH, HOME } = process.env;
    // Of the documented variables only those that keep tests apart.
    const env = { PATH, HOME, DATA_DIR: dataDir, PORT: "0" };
    const npm = spawn("npm", ["start"], {
      cwd: resolve(import.meta.dirname, "../.."),
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines = createInterface(npm.stdout);
    const url = await new Promise<string>((ready) => {
      lines.on("line", (line) => {
        const found = /Listening on (http:[^"]+)/.exec(line)?.[1];
        if (found !== undefined) ready(found);
      });
    });
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ status: "ok" });
    npm.kill("SIGTERM");
    await expect
      .poll(
        () =>
          fetch(`${url}/health`).then(
            () => "listening",
            () => "ended",
          ),
        { timeout: 10_000 },
      )
      .toBe("ended");
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });
});
