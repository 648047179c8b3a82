import { randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { describeError } from "./database-start-error.ts";

/** Where the embedded database listens. */
export interface SocketPath {
  path: string;
  /** Removes what was made for it. */
  remove(): void;
}

/** `sun_path` holds 108 bytes on Linux and 104 on macOS, the closing zero included. */
const LONGEST_PATH = 103;

/**
 * Picks a path for the socket in a directory that only this user can enter, because whoever
 * connects is the superuser: below the data directory, else (name too long, or a file system
 * without sockets) in a fresh temporary directory. A pipe on Windows. The caller holds the lock of
 * `dataDir`, so a socket that is left there is nobody's.
 */
export async function chooseSocketPath(dataDir: string): Promise<SocketPath> {
  if (process.platform === "win32")
    return { path: `\\\\.\\pipe\\openai-proxy-${randomUUID()}`, remove: () => undefined };
  const problems: string[] = [];
  for (const makeDirectory of [
    () => ownDirectory(dataDir),
    () => mkdtempSync(join(tmpdir(), "openai-proxy-")),
  ]) {
    const path = join(makeDirectory(), "postgres.sock");
    const remove = () => rmSync(dirname(path), { recursive: true, force: true });
    const problem = await whyNot(path);
    if (problem === null) return { path, remove };
    problems.push(`${path}: ${problem}`);
    remove();
  }
  throw new Error(
    `No directory takes a unix socket for the embedded database. ${problems.join("; ")}`,
  );
}

function ownDirectory(dataDir: string): string {
  const directory = join(resolve(dataDir), "run");
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  chmodSync(directory, 0o700);
  return directory;
}

/**
 * Tries the path, because only that tells (a mounted folder of Docker Desktop refuses sockets).
 * Resolves to the problem, or null.
 */
function whyNot(path: string): Promise<string | null> {
  if (Buffer.byteLength(path) > LONGEST_PATH)
    return Promise.resolve(`longer than ${LONGEST_PATH} bytes`);
  return new Promise((done) => {
    const server = createServer();
    server.once("error", (error) => done(describeError(error)));
    server.listen(path, () => server.close(() => done(null)));
  });
}
