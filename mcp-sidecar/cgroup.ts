/**
 * Control groups of Linux, where the sidecar may make some: no process can leave one by changing
 * its session, parent or environment.
 */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Makes a group of a name that was not used before, and returns its directory. */
export type MakeCgroup = (name: string) => string;

const PREFIX = "openai-proxy-mcp-";
/** Of version 1 the hierarchy that counts processes, of version 2 the only one. */
const HIERARCHY = /^\d+:(?<controllers>[^:]*):(?<path>\/.*)$/;
const MOUNT = /^\S+ \S+ \S+ (?<root>\S+) (?<point>\S+) .* - (?<type>cgroup2?) \S+ (?<options>\S+)$/;

function groupsOf(pattern: RegExp, text: string): Record<string, string>[] {
  return text.split("\n").flatMap((line) => {
    const groups = pattern.exec(line)?.groups;
    return groups === undefined ? [] : [groups];
  });
}

/** The directories of the group that this process is in, by what `/proc/self` says. */
function ownDirectories(): string[] {
  const own = groupsOf(HIERARCHY, readFileSync("/proc/self/cgroup", "utf8"));
  const mounts = groupsOf(MOUNT, readFileSync("/proc/self/mountinfo", "utf8"));
  return mounts.flatMap(({ root = "", point = "", type, options = "" }) => {
    const controllers = type === "cgroup2" ? "" : "pids";
    if (type === "cgroup" && !options.split(",").includes("pids")) return [];
    const path = own.find((each) => each["controllers"] === controllers)?.["path"];
    if (path === undefined || !`${path}/`.startsWith(root === "/" ? "/" : `${root}/`)) return [];
    return [join(point, root === "/" ? path : path.slice(root.length))];
  });
}

function isUsable(directory: string): boolean {
  const trial = join(directory, `${PREFIX}trial-${process.pid}`);
  try {
    mkdirSync(trial);
    readFileSync(join(trial, "cgroup.procs"));
    rmdirSync(trial);
    return true;
  } catch {
    // A read-only file system, or no right to it: whatever the reason, there is no group to use.
    return false;
  }
}

/** How to make groups, or null where this process may not. */
export function openCgroups(): MakeCgroup | null {
  if (process.platform !== "linux") return null;
  const parent = ownDirectories().find(isUsable);
  if (parent === undefined) return null;
  return (name) => {
    const directory = join(parent, PREFIX + name);
    mkdirSync(directory);
    return directory;
  };
}

/**
 * Puts a process into a group, with all that it will start. A shell that does it before the process
 * begins would be surer by some microseconds, but loses variables such as
 * `npm_config_@scope:registry`.
 */
export function joinCgroup(directory: string, pid: number): void {
  try {
    writeFileSync(join(directory, "cgroup.procs"), String(pid));
  } catch (error) {
    // It has ended already.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** The processes in a group; none where it is gone. */
export function membersOfCgroup(directory: string): number[] {
  try {
    const lines = readFileSync(join(directory, "cgroup.procs"), "utf8").split("\n");
    return lines.filter((line) => line !== "").map(Number);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

/** Removes a group that may have members still: then the next sidecar does. */
export function removeCgroup(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    if (code !== "ENOENT" && code !== "EBUSY") throw error;
  }
}
