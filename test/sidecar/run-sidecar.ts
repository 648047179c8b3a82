/** Starts real sidecars for the tests, and counts what they leave behind. */
import { fork, type ChildProcess } from "node:child_process";
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect } from "vitest";
import type { SidecarEndpoint } from "../../src/platform.ts";

export const TOKEN = "a-token-for-tests";
const MAIN = fileURLToPath(new URL("../../mcp-sidecar/main.ts", import.meta.url));
const FIXTURES = fileURLToPath(new URL("fixtures", import.meta.url));
export const FAULTY_SERVER = join(FIXTURES, "faulty-server");
export const UVX_CLOCK = join(FIXTURES, "uvx-clock");

type TestInit = Omit<RequestInit, "headers"> & { headers?: Record<string, string> };

export interface RunningSidecar extends SidecarEndpoint {
  child: ChildProcess;
  /** Its working directory. */
  cwd: string;
  stateDir: string;
  /** A request with the token. */
  request(path: string, init?: TestInit): Promise<Response>;
  /** The sidecar's view of its servers. */
  servers(): Promise<Record<string, unknown>[]>;
  /** Ends it. Where it may end by itself, it has to leave no process behind. */
  end(signal?: NodeJS.Signals): Promise<void>;
}

const workplaces: string[] = [];
afterAll(() => {
  for (const directory of workplaces.splice(0)) rmSync(directory, { recursive: true, force: true });
});

/**
 * A directory in which `npx faulty-server` and its like find the fixtures as installed packages.
 */
export function makeWorkplace(): string {
  const directory = mkdtempSync(join(tmpdir(), "sidecar-test-"));
  mkdirSync(join(directory, "node_modules"));
  workplaces.push(directory);
  for (const name of ["acting-server", "conformance-server", "faulty-server"])
    symlinkSync(join(FIXTURES, name), join(directory, "node_modules", name));
  return directory;
}

/**
 * Starts `node mcp-sidecar/main.ts` on a free port, in a workplace of its own.
 * @param options `uid`: of another user, who gets the workplace; `capabilities`: of root's, those
 * that it has, as a container leaves them
 */
export async function runSidecar(
  env: Record<string, string> = {},
  { uid, capabilities }: { uid?: number | undefined; capabilities?: string | undefined } = {},
): Promise<RunningSidecar> {
  const stateParent = makeWorkplace();
  const stateDir = env["MCP_SIDECAR_STATE_DIR"] ?? join(stateParent, "state");
  const cwd = makeWorkplace();
  if (uid !== undefined) for (const each of [stateParent, cwd]) chownSync(each, uid, uid);
  const child = fork(MAIN, [], {
    cwd,
    env: {
      ...process.env,
      PORT: "0",
      MCP_SIDECAR_TOKEN: TOKEN,
      LOG_LEVEL: "silent",
      MCP_SIDECAR_STATE_DIR: stateDir,
      ...env,
    },
    ...(capabilities === undefined
      ? { execArgv: [] }
      : {
          execPath: "setpriv",
          execArgv: ["--bounding-set", `-all,${capabilities}`, "--no-new-privs", process.execPath],
        }),
    ...(uid === undefined ? {} : { uid, gid: uid }),
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  let printed = "";
  child.stderr?.on("data", (chunk: Buffer) => (printed += chunk.toString()));
  const port = await new Promise<number>((resolve, reject) => {
    child.once("message", (message: { listening: number }) => resolve(message.listening));
    child.once("exit", (code) =>
      reject(new Error(`The sidecar ended with code ${code}: ${printed}`)),
    );
  });
  const url = `http://127.0.0.1:${port}`;
  const request = (path: string, init: TestInit = {}) =>
    fetch(url + path, {
      ...init,
      headers: {
        authorization: `Bearer ${TOKEN}`,
        "content-type": "application/json",
        ...init.headers,
      },
    });
  const servers = async () =>
    ((await (await request("/servers")).json()) as { servers: Record<string, unknown>[] }).servers;
  const end = async (signal: NodeJS.Signals = "SIGTERM") => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await gone;
    // The servers of this workplace, which is named in their command lines: as many as before it
    // started, which is none.
    if (signal === "SIGTERM") expect(processesWith(`${cwd}/`)).toEqual([]);
  };
  return { url, token: TOKEN, child, cwd, stateDir, request, servers, end };
}

/** Living processes of a group; dead ones that nobody has reaped do not count. */
export function membersOf(groupId: number): number[] {
  return processes()
    .filter(({ group }) => group === groupId)
    .map(({ pid }) => pid);
}

/** Processes whose command line holds a text. */
export function processesWith(text: string): number[] {
  return processes()
    .filter(({ pid }) => commandLine(pid).includes(text))
    .map(({ pid }) => pid);
}

function processes(): { pid: number; group: number }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const [state, , group] = readProc(name, "stat")
        .replace(/^.*\) /s, "")
        .split(" ");
      return state === undefined || state === "" || state === "Z"
        ? []
        : [{ pid: Number(name), group: Number(group) }];
    });
}

function commandLine(pid: number): string {
  return readProc(String(pid), "cmdline").replaceAll("\0", " ");
}

function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch (error) {
    // It ended while the list was read.
    if (
      error instanceof Error &&
      "code" in error &&
      (error.code === "ENOENT" || error.code === "ESRCH")
    )
      return "";
    throw error;
  }
}

/** Resident memory of a process, in megabytes. */
export function memoryOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readProc(String(pid), "status"))?.[1]) / 1024;
}

/** Waits until something is so, or fails with a sentence. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  withinMs = 5_000,
): Promise<void> {
  for (
    const deadline = Date.now() + withinMs;
    !(await isSo());
    await new Promise((resolve) => setTimeout(resolve, 20))
  ) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`);
  }
}
