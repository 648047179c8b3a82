/** The processes of this machine, from `/proc` where there is one, else from `ps`. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A process, told from a later one of the same number by when it started. */
export interface Birth {
  pid: number;
  /** Clock ticks since boot, or the time as `ps` writes it; null where it cannot be told. */
  startedAt: string | null;
}

/** A living process. Dead ones that nobody has reaped are none. */
export interface Process extends Birth {
  parent: number;
  group: number;
  /** Of sessions, which `ps` on macOS does not tell, the group. */
  session: number;
  /** Whose it is; null where that cannot be told. */
  uid(): number | null;
  /** Whether it was started with this entry (`NAME=value`) in its environment. */
  carries(entry: string): boolean;
  /** Where it works now; null where that cannot be told. */
  directory(): string | null;
}

const PROC = "/proc";
const hasProc = existsSync(`${PROC}/self/stat`);

/** What reading of another process may fail with: it has ended, or is another user's. */
const UNREADABLE = new Set(["ENOENT", "ESRCH", "EACCES", "EPERM"]);

function ofProcess<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && "code" in error && UNREADABLE.has(String(error.code)))
      return null;
    throw error;
  }
}

function readProc(pid: number): Process[] {
  const directory = `${PROC}/${pid}`;
  const stat = ofProcess(() => readFileSync(`${directory}/stat`, "utf8"));
  // The second field is the program's name in brackets, which may itself hold spaces and brackets.
  const [state, parent, group, session, ...more] = stat?.replace(/^.*\) /s, "").split(" ") ?? [];
  if (state === undefined || state === "Z" || state === "X") return [];
  const carries = (entry: string) => {
    const environment = ofProcess(() => readFileSync(`${directory}/environ`, "latin1"));
    return environment?.split("\0").includes(entry) ?? false;
  };
  return [
    {
      pid,
      parent: Number(parent),
      group: Number(group),
      session: Number(session),
      // Field 22 of the line, of which six were taken already.
      startedAt: more[15] ?? null,
      uid: () => {
        const status = ofProcess(() => readFileSync(`${directory}/status`, "utf8"));
        const uid = /^Uid:\s+(\d+)/m.exec(status ?? "")?.[1];
        return uid === undefined ? null : Number(uid);
      },
      carries,
      directory: () => ofProcess(() => readlinkSync(`${directory}/cwd`)),
    },
  ];
}

/** `ps` with environments behind the command lines: of this user's processes alone. */
const WITH_ENVIRONMENT = process.platform === "darwin" ? ["-A", "-E", "-ww"] : ["axeww"];
const COLUMNS = ["-o", "pid=,ppid=,pgid=,state=,lstart=,command="];
const PS_LINE =
  /^\s*(?<pid>\d+)\s+(?<parent>\d+)\s+(?<group>\d+)\s+(?<state>\S+)\s+(?<startedAt>\S+\s+\S+\s+\S+\s+\S+\s+\d{4})\s(?<command>.*)$/;

/**
 * The processes as `ps` tells them.
 * @internal for tests
 */
export function readPs(): Process[] {
  const output = execFileSync("ps", [...WITH_ENVIRONMENT, ...COLUMNS], {
    encoding: "utf8",
    env: { PATH: process.env["PATH"] ?? "", LC_ALL: "C" },
    maxBuffer: 64 * 1024 * 1024,
  });
  return output.split("\n").flatMap((line) => {
    const found = PS_LINE.exec(line)?.groups;
    if (found === undefined || found["state"]?.startsWith("Z")) return [];
    const { pid, parent, group, startedAt = null, command = "" } = found;
    return [
      {
        pid: Number(pid),
        parent: Number(parent),
        group: Number(group),
        session: Number(group),
        startedAt,
        uid: () => null,
        carries: (entry: string) => ` ${command} `.includes(` ${entry} `),
        directory: () => null,
      },
    ];
  });
}

/** Every living process; on Windows, which knows neither groups nor `ps`, none. */
export function readProcesses(): Process[] {
  if (process.platform === "win32") return [];
  if (!hasProc) return readPs();
  const names = readdirSync(PROC).filter((name) => /^\d+$/.test(name));
  return names.flatMap((name) => readProc(Number(name)));
}

/** The birth of a living process; without a start where there is none. */
export function birthOf(pid: number): Birth {
  const found = hasProc ? readProc(pid) : readProcesses().filter((each) => each.pid === pid);
  return { pid, startedAt: found[0]?.startedAt ?? null };
}
