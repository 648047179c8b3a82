import { randomUUID } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { joinCgroup, openCgroups, removeCgroup, type MakeCgroup } from "./cgroup.ts";
import { endKin, killKin, MARK, type Kin } from "./kin.ts";
import type { Log } from "./log.ts";
import { birthOf, type Birth } from "./processes.ts";
import {
  makeServerDirectory,
  openServerDirectories,
  removeServerDirectories,
  removeServerDirectory,
} from "./server-directory.ts";
import { giveTo, runAs, type ServerUser } from "./server-users.ts";

/** Where a server is to run, and by what its processes will be told. */
export type Place = Omit<Kin, keyof Birth>;

interface Page {
  sidecar: Birth;
  servers: Kin[];
}

/**
 * The MCP servers of this sidecar, in memory and in a file, so that nothing of them outlives it:
 * what is left when the process exits is killed, and what a killed sidecar (SIGKILL, out of memory)
 * left is ended by the next one.
 */
export class ProcessLedger {
  readonly #servers = new Map<number, Kin>();
  readonly #self = birthOf(process.pid);
  readonly #directory: string;
  readonly #file: string;
  readonly #serverDirectories: string;
  readonly #makeCgroup: MakeCgroup | null = openCgroups();
  readonly #log: Log;

  /**
   * @param hasUsers whether servers are users of their own, who have to get to their directories
   */
  constructor(directory: string, log: Log, hasUsers = false) {
    this.#directory = directory;
    this.#log = log;
    const name = `${this.#self.pid}-${(this.#self.startedAt ?? "0").replaceAll(/\W/g, "")}`;
    this.#file = join(directory, `${name}.json`);
    // Another user must not be able to plant a page that names other processes.
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (process.getuid !== undefined && statSync(directory).uid !== process.getuid()) {
      throw new Error(
        `The directory ${directory} belongs to another user: set MCP_SIDECAR_STATE_DIR to one of your own.`,
      );
    }
    const mode = hasUsers ? 0o711 : 0o700;
    chmodSync(directory, mode);
    this.#serverDirectories = openServerDirectories(directory, { sidecar: name, mode });
    // Before the first server: from now on the next sidecar finds what this one leaves.
    this.#write();
  }

  /** Makes an empty place for a server that is about to start. */
  open(user: ServerUser | null): Place {
    const id = randomUUID();
    const directory = makeServerDirectory(this.#serverDirectories);
    if (user !== null) giveTo(directory, user);
    const cgroup = this.#makeCgroup?.(id) ?? null;
    return { mark: `${MARK}=${id}`, directory, cgroup, uid: user?.uid ?? null };
  }

  /** Records a process, just started, that leads its own group and session. */
  add(pid: number, place: Place): Kin {
    if (place.cgroup !== null) joinCgroup(place.cgroup, pid);
    const kin = { ...birthOf(pid), ...place };
    this.#servers.set(pid, kin);
    this.#write();
    return kin;
  }

  /** Ends a server with everything that it started, and clears its place. */
  async end(kin: Kin): Promise<void> {
    const others = () => [...this.#servers.values()].filter((other) => other !== kin);
    const isAlone = ({ uid }: Kin) => others().every((other) => other.uid !== uid);
    await endKin(kin, { isLed: () => true, isAlone });
    this.clear(kin);
    this.#servers.delete(kin.pid);
    this.#write();
  }

  /** Removes the place of a server that is gone. What cannot be removed does not fail a call. */
  clear({ directory, cgroup, uid }: Place): void {
    try {
      if (uid !== null) takeBack(directory, uid);
      removeServerDirectory(directory);
      if (cgroup !== null) removeCgroup(cgroup);
    } catch (error) {
      this.#log.warn({ error: String(error) }, "An MCP server's directory cannot be removed");
    }
  }

  /** The last resort of an exiting process: only synchronous calls still work then. */
  killAll(): void {
    const servers = [...this.#servers.values()];
    const known = { isLed: () => true, isAlone: () => true };
    // Who is killed may just have started another one.
    for (let look = 0; look < 3 && servers.length > 0; look += 1) killKin(servers, known);
    for (const server of servers) this.clear(server);
    removeServerDirectory(this.#serverDirectories);
    rmSync(this.#file, { force: true });
  }

  /**
   * Ends what sidecars left that no longer run. A number whose process started at another time is
   * someone else's.
   */
  async reap(): Promise<void> {
    for (const name of readdirSync(this.#directory)) {
      const file = join(this.#directory, name);
      const page = name.endsWith(".json") ? readPage(file, this.#log) : null;
      if (page === null || isAlive(page.sidecar)) continue;
      const { servers } = page;
      if (servers.length > 0)
        this.#log.warn(
          { servers: servers.map(({ pid }) => pid) },
          "Ending what a killed sidecar left behind of MCP servers",
        );
      const known = { isLed: isAlive, isAlone: () => true };
      await Promise.all(servers.map((server) => endKin(server, known)));
      for (const server of servers) this.clear(server);
      removeServerDirectories(this.#directory, basename(name, ".json"));
      rmSync(file, { force: true });
    }
  }

  #write(): void {
    const page: Page = { sidecar: this.#self, servers: [...this.#servers.values()] };
    try {
      writeFileSync(this.#file, JSON.stringify(page), { mode: 0o600 });
    } catch (error) {
      // A full disk must not stop MCP servers from running; what is in memory still ends them on a
      // normal exit.
      this.#log.error({ error: String(error) }, "The process ledger cannot be written");
    }
  }
}

/** Empties another user's directory: root may do so only with more capabilities than it needs. */
function takeBack(directory: string, uid: number): void {
  if (!existsSync(directory)) return;
  runAs({ uid, cwd: directory }, "find", [".", "-mindepth", "1", "-delete"]);
  chownSync(directory, 0, 0);
}

function isAlive({ pid, startedAt }: Birth): boolean {
  return startedAt !== null && birthOf(pid).startedAt === startedAt;
}

function readPage(file: string, log: Log): Page | null {
  try {
    const page = JSON.parse(readFileSync(file, "utf8")) as Partial<Page>;
    const { sidecar, servers } = page;
    // A page of an older version names groups, which ended with the machine or its container.
    return sidecar === undefined ? null : { sidecar, servers: servers ?? [] };
  } catch (error) {
    // Another sidecar may have removed it, or a full disk may have cut it: neither may keep this
    // one from starting.
    log.warn({ error: String(error) }, "A page of the process ledger cannot be read");
    return null;
  }
}
