import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectPostgres } from "../../../src/node/database/connect-database.ts";
import { openDatabase } from "../../../src/node/database/open-database.ts";
import { memoryLogger } from "./memory-logger.ts";
import { runProgram } from "./run-program.ts";

describe("an embedded database whose process is killed", () => {
  let dataDir = "";
  beforeAll(() => {
    dataDir = mkdtempSync(join(tmpdir(), "embedded-"));
  });
  afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

  it("starts anew after a kill at any moment of its first start", { timeout: 30_000 }, async () => {
    const unfinished = join(dataDir, "postgres.unfinished");
    // Before PGlite is there, and while it unpacks its files.
    for (const sign of [unfinished, join(unfinished, "PG_VERSION")]) {
      const program = runProgram("./embedded-program.ts", [dataDir]);
      while (!existsSync(sign) && program.process.exitCode === null) await pause(1);
      await program.kill();
      expect(program.lines).toEqual([]);
      expect(existsSync(join(dataDir, "postgres"))).toBe(false);
    }
    const opened = await openDatabase({ databaseUrl: null, dataDir }, memoryLogger());
    expect(await opened.health()).toMatchObject({ status: "ok" });
    expect(existsSync(unfinished)).toBe(false);
    await opened.close();
  });

  it(
    "has every acknowledged row when it is opened again, and refuses a second process while it is open",
    { timeout: 30_000 },
    async () => {
      const acknowledged: number[] = [];
      for (let round = 0; round < 2; round += 1) {
        const program = runProgram("./embedded-program.ts", [dataDir, "write"]);
        await program.until((lines) => lines.length > 150);
        const second = openDatabase({ databaseUrl: null, dataDir }, memoryLogger());
        await expect(second).rejects.toThrow(
          `in use by another process (pid ${program.process.pid})`,
        );
        await program.kill();
        acknowledged.push(...program.lines.slice(1).map(Number));
      }
      expect(acknowledged.length).toBeGreaterThan(290);
      const opened = await openDatabase({ databaseUrl: null, dataDir }, memoryLogger());
      const client = connectPostgres(opened.connection, { max: 1 });
      const rows = await client<{ id: string }[]>`select id from written where length(body) = 2000`;
      const stored = new Set(rows.map(({ id }) => Number(id)));
      expect(acknowledged.filter((id) => !stored.has(id))).toEqual([]);
      await client.end();
      await opened.close();
    },
  );
});
