import { sql } from "drizzle-orm";
import { connect, createServer, type Server, type Socket } from "node:net";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DatabaseStartError } from "../../../src/node/database/database-start-error.ts";
import { migrateDatabase } from "../../../src/node/database/migrate-database.ts";
import { openDatabase } from "../../../src/node/database/open-database.ts";
import { refuseOldVersion } from "../../../src/node/database/wait-for-database.ts";
import { startPostgres, type TestPostgres } from "../../helpers/postgres-server.ts";
import { memoryLogger } from "./memory-logger.ts";
import { runProgram } from "./run-program.ts";

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
}, 30_000);
afterAll(() => server.stop());

const dataDir = "unused";

async function migrateByCommand(
  databaseUrl: string,
): Promise<{ code: number | null; output: string }> {
  const program = runProgram("../../../src/node/migrate.ts", [], {
    PATH: process.env["PATH"],
    DATABASE_URL: databaseUrl,
  });
  await program.until(() => false);
  return { code: program.process.exitCode, output: program.lines.join("\n") };
}

/** Listens where nobody may be, to find a free port or to stand in a server's way. */
async function listen(
  onConnection: (socket: Socket) => void,
): Promise<{ server: Server; port: number }> {
  const made = createServer(onConnection);
  await new Promise<void>((done) => made.listen(0, "127.0.0.1", done));
  const address = made.address();
  return { server: made, port: typeof address === "object" && address ? address.port : 0 };
}

describe("migrations on PostgreSQL", () => {
  it("are applied once when many replicas start at the same time", async () => {
    const url = await server.createDatabase();
    const replicas = await Promise.all(
      [1, 2, 3, 4].map(() =>
        migrateDatabase({ kind: "postgres", url, startupParameters: true }, memoryLogger()),
      ),
    );
    const [first] = replicas;
    expect(replicas.map(({ applied }) => applied).toSorted((a, b) => a - b)).toEqual([
      0,
      0,
      0,
      first?.total,
    ]);
  });

  it("run again under a role that may create nothing, as long as none is pending", async () => {
    const url = await server.createDatabase();
    await migrateDatabase({ kind: "postgres", url, startupParameters: true }, memoryLogger());
    const owner = postgres(url, { max: 1 });
    await owner`create role modest login password 'm'`;
    await owner`grant usage on schema drizzle to modest`;
    await owner`grant select on all tables in schema drizzle to modest`;
    const modest = new URL(url);
    modest.username = "modest";
    expect(
      await migrateDatabase(
        { kind: "postgres", url: modest.href, startupParameters: true },
        memoryLogger(),
      ),
    ).toMatchObject({
      applied: 0,
    });
    await owner`drop owned by modest`;
    await owner`drop role modest`;
    await owner.end();
  });

  it("leave a database as it was when one fails, and say why", async () => {
    const url = await server.createDatabase();
    const owner = postgres(url, { max: 1 });
    await owner`create table tools (mine text)`;
    await expect(
      migrateDatabase({ kind: "postgres", url, startupParameters: true }, memoryLogger()),
    ).rejects.toThrow(/is as it was.*"tools" already exists/);
    expect(
      await owner`select schemaname, tablename from pg_tables where schemaname in ('public', 'drizzle')`,
    ).toEqual([{ schemaname: "public", tablename: "tools" }]);
    await owner.end();
  });

  it("run by command, which says what it did or, in one sentence, why it could not", async () => {
    const url = await server.createDatabase();
    const [first, unreachable] = await Promise.all([
      migrateByCommand(url),
      migrateByCommand(url.replace(/[^/]+$/, "nowhere")),
    ]);
    expect(first).toMatchObject({
      code: 0,
      output: expect.stringMatching(
        /Migrations of the PostgreSQL server: \d+ applied, \d+ in all\./,
      ) as string,
    });
    expect(unreachable.code).toBe(1);
    expect(unreachable.output).toMatch(
      /^PostgreSQL at 127\.0\.0\.1:\d+\/nowhere refused the connection \(.*does not exist \(3D000\)\): create the database.*\.$/,
    );
  });
});

describe("a PostgreSQL server", () => {
  it("is migrated and used, with a time limit on every statement", async () => {
    const opened = await openDatabase(
      { databaseUrl: await server.createDatabase(), dataDir },
      memoryLogger(),
    );
    expect(await opened.health()).toMatchObject({ status: "ok", kind: "postgres" });
    expect(
      await opened.database.execute(sql`select current_setting('statement_timeout') as limit`),
    ).toEqual([{ limit: "30s" }]);
    await opened.close();
  });

  it("is waited for while it starts", { timeout: 20_000 }, async () => {
    const { hostname, port, pathname } = new URL(await server.createDatabase());
    const refusing = await listen(() => undefined);
    await new Promise((done) => refusing.server.close(done));
    const url = `postgres://postgres@127.0.0.1:${refusing.port}${pathname}`;
    const logger = memoryLogger();
    const opening = openDatabase({ databaseUrl: url, dataDir }, logger);
    await expect.poll(() => logger.lines.join()).toContain("PostgreSQL does not answer yet.");
    const forward = createServer((socket) => {
      const onward = connect(Number(port), hostname);
      socket.pipe(onward).pipe(socket);
      onward.on("error", () => socket.destroy());
      socket.on("error", () => onward.destroy());
    });
    forward.listen(refusing.port, "127.0.0.1");
    const opened = await opening;
    expect(await opened.health()).toMatchObject({ status: "ok" });
    await opened.close();
    await new Promise((done) => forward.close(done));
  });

  it("that does not answer in time is named, without its password", async () => {
    const free = await listen(() => undefined);
    await new Promise((done) => free.server.close(done));
    const failure = await openDatabase(
      { databaseUrl: `postgres://me:hush@127.0.0.1:${free.port}/db`, dataDir },
      memoryLogger(),
      0.1,
    ).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(DatabaseStartError);
    expect(String(failure)).toContain(
      `PostgreSQL at 127.0.0.1:${free.port}/db did not answer within 0.1 s`,
    );
    expect(String(failure)).not.toContain("hush");
  });

  it("that accepts connections and closes them, as Docker's port proxy does, counts as one that does not answer", async () => {
    const closing = await listen((socket) => socket.destroy());
    const opening = openDatabase(
      { databaseUrl: `postgres://me@127.0.0.1:${closing.port}/db`, dataDir },
      memoryLogger(),
      0.1,
    );
    await expect(opening).rejects.toThrow(
      /did not answer within 0\.1 s \(connections are accepted and not answered/,
    );
    await new Promise((done) => closing.server.close(done));
  });

  it("that is too old is refused with what to do", () => {
    expect(() => refuseOldVersion(140_011, "db:5432/x")).toThrow(
      "The server db:5432/x is PostgreSQL 14: PostgreSQL 15 or newer is needed",
    );
    expect(() => refuseOldVersion(150_000, "db:5432/x")).not.toThrow();
  });

  it("that goes away is reported by health, and used again when it is back", async () => {
    const { hostname, port, pathname } = new URL(await server.createDatabase());
    const sockets = new Set<Socket>();
    let up = true;
    const gate = await listen((socket) => {
      if (!up) return void socket.destroy();
      const onward = connect(Number(port), hostname);
      sockets.add(socket);
      socket.pipe(onward).pipe(socket);
      onward.on("error", () => socket.destroy());
      socket.on("error", () => onward.destroy()).on("close", () => onward.destroy());
    });
    const opened = await openDatabase(
      { databaseUrl: `postgres://postgres@127.0.0.1:${gate.port}${pathname}`, dataDir },
      memoryLogger(),
    );
    up = false;
    for (const socket of sockets) socket.destroy();
    expect(await opened.health()).toMatchObject({
      status: "down",
      message: expect.stringContaining("Check that the PostgreSQL server runs") as string,
    });
    up = true;
    await expect.poll(async () => (await opened.health()).status, { timeout: 5_000 }).toBe("ok");
    await opened.close();
    await new Promise((done) => gate.server.close(done));
  });
});
