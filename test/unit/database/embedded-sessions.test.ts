import { eq } from "drizzle-orm";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apiKeys } from "../../../drizzle/schema.ts";
import { connectPostgres } from "../../../src/node/database/connect-database.ts";
import { migrateDatabase } from "../../../src/node/database/migrate-database.ts";
import { type OpenDatabase, openDatabase } from "../../../src/node/database/open-database.ts";
import { memoryLogger } from "./memory-logger.ts";

let dataDir = "";
let opened: OpenDatabase;
const logger = memoryLogger();
const clients: postgres.Sql[] = [];

/** A connection of its own. */
function client(max = 1): postgres.Sql {
  const made = connectPostgres(opened.connection, { max });
  clients.push(made);
  return made;
}

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), "embedded-"));
  opened = await openDatabase({ databaseUrl: null, dataDir }, logger);
}, 30_000);

afterAll(async () => {
  await Promise.all(clients.map((each) => each.end({ timeout: 1 })));
  await opened.close();
  rmSync(dataDir, { recursive: true, force: true });
});

describe("many connections to the embedded database", () => {
  it("each get the answer to their own question", async () => {
    const sql = client(8);
    const questions = Array.from({ length: 800 }, (_, index) => index);
    const answers = await Promise.all(
      questions.map(async (index) => {
        // Unnamed statements of different shapes, as drizzle sends them, and failures in between.
        if (index % 9 === 0)
          return sql.unsafe("select $1::int / 0", [index]).then(
            () => "no error",
            () => index,
          );
        const rows = await (index % 2 === 0
          ? sql.unsafe("select $1::int as n", [index])
          : sql.unsafe("select $1::int as n, $2::text", [index, "x"]));
        return rows[0]?.["n"] as number;
      }),
    );
    expect(answers).toEqual(questions);
  });

  it("do not see each other's open transactions, and those of a client that dies are rolled back", async () => {
    const [one, other] = [client(), client()];
    await one`create table isolated (n int)`;
    const seen: string[] = [];
    const counts: Promise<number>[] = [];
    await one.begin(async (transaction) => {
      await transaction`insert into isolated values (1)`;
      counts.push(
        other<{ n: number }[]>`select count(*)::int as n from isolated`.then(([row]) =>
          seen.push(`other saw ${row?.n}`),
        ),
      );
      await pause(50);
      seen.push("committing");
      await transaction`insert into isolated values (2)`;
    });
    await Promise.all(counts);
    expect(seen).toEqual(["committing", "other saw 2"]);
    const dying = client();
    const broken = dying.begin(async (transaction) => {
      await transaction`insert into isolated values (3)`;
      await dying.end({ timeout: 0 });
      await transaction`insert into isolated values (4)`;
    });
    await expect(broken).rejects.toThrow(/CONNECTION/);
    expect(await other`select n from isolated order by n`).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it("leave no prepared statements behind", async () => {
    const [leaving, counting] = [client(), client()];
    const count = async () =>
      (await counting`select 1 from pg_prepared_statements where statement like ${"%as marked"}`)
        .length;
    await leaving`select ${"kept"}::text as marked`;
    expect(await count()).toBe(1);
    await leaving.end();
    await expect.poll(count).toBe(0);
  });

  it("may belong to another thread", async () => {
    const module = new URL("../../../src/node/database/connect-database.ts", import.meta.url).href;
    const program = `
      import { workerData, parentPort } from "node:worker_threads";
      const { connectPostgres } = await import(workerData.module);
      const sql = connectPostgres(workerData.connection, { max: 1 });
      parentPort.postMessage((await sql\`select 42 as n\`)[0].n);
      await sql.end();`;
    const source = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
    const worker = new Worker(source, { workerData: { module, connection: opened.connection } });
    expect(
      await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject)),
    ).toBe(42);
  });

  it("take bodies of megabytes", async () => {
    const body = "ä".repeat(8 * 1024 * 1024);
    const [row] = await client()<
      { size: number; body: string }[]
    >`select length(${body}::text) as size, ${body}::text as body`;
    expect(row?.size).toBe(body.length);
    expect(row?.body === body).toBe(true);
  });
});

describe("the embedded database", () => {
  it("serves drizzle with the schema, arrays and dates included", async () => {
    const row = {
      id: "019aa3b0-0000-7000-8000-000000000001",
      name: "n",
      keyHash: "h",
      keyPrefix: "p",
      allowedModels: ["a,b", 'c"d'],
      expiresAt: new Date(1e12),
    };
    await opened.database.insert(apiKeys).values(row);
    expect(
      await opened.database.query.apiKeys.findFirst({ where: eq(apiKeys.id, row.id) }),
    ).toMatchObject(row);
  });

  it("is migrated once, however often and at the same time that is asked", async () => {
    const again = await Promise.all(
      [1, 2, 3].map(() => migrateDatabase(opened.connection, logger)),
    );
    expect(again.map(({ applied }) => applied)).toEqual([0, 0, 0]);
    expect(opened.migrations.applied).toBe(opened.migrations.total);
  });

  it("keeps its write-ahead log small while much is written", { timeout: 20_000 }, async () => {
    const sql = client();
    await sql`create table bulky (n int, body text)`;
    await sql`alter table bulky alter column body set storage external`;
    for (let megabytes = 0; megabytes < 120; megabytes += 4) {
      await sql`insert into bulky select n, repeat(md5(n::text), 62) from generate_series(1, 2000) n`;
      await pause(100);
    }
    const directory = join(dataDir, "postgres", "pg_wal");
    const size = readdirSync(directory).reduce(
      (sum, name) => sum + statSync(join(directory, name)).size,
      0,
    );
    expect(Math.round(size / 1024 / 1024)).toBeLessThan(90);
  });

  it(
    "says that it is down when its thread dies, comes back by itself, and has lost nothing",
    { timeout: 20_000 },
    async () => {
      const sql = client();
      await sql`create table survived as select 1 as n`;
      // A start-up packet that PGlite cannot read ends its thread, as a crash of its WebAssembly
      // would.
      const socket = connect(opened.connection.kind === "embedded" ? opened.connection.path : "");
      socket.on("error", () => undefined);
      socket.end(Buffer.from([0, 0, 0, 12, 0, 9, 0, 0, 1, 2, 3, 4]));
      await expect
        .poll(() => logger.lines.join("\n"))
        .toContain("error The embedded database stopped; it is restarted.");
      expect(await opened.health()).toMatchObject({
        status: "down",
        message: expect.stringContaining("being restarted") as string,
      });
      await expect.poll(async () => (await opened.health()).status, { timeout: 10_000 }).toBe("ok");
      expect(await sql`select n from survived`).toEqual([{ n: 1 }]);
    },
  );
});
