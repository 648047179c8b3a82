/**
 * Users of their own for MCP servers, where the sidecar runs as root and is given a range of them.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** A server's own user, and where that user is at home. */
export interface ServerUser {
  /** Of the user, and of a group that has no other member. */
  uid: number;
  home: string;
}

/** User ids, the first and the last one included. */
export interface UserRange {
  first: number;
  last: number;
}

const FOLDER = "mcp-servers";
/** Any user may pass, and nobody else may list. */
const PASSABLE = 0o711;

/**
 * Gives each server the same user at each start, so that it finds its caches and what it keeps at
 * home. Who has which is what the homes themselves say, by their owners.
 */
export class ServerUsers {
  readonly #range: UserRange;
  readonly #homes: string;

  /**
   * @param home of the sidecar, where the servers' homes are made
   * @throws Error with a sentence where this process may not change its user
   */
  constructor(range: UserRange, home = homedir()) {
    if (process.getuid?.() !== 0)
      throw new Error("MCP_SIDECAR_USERS needs a sidecar that runs as root: unset it, or be root.");
    this.#range = range;
    this.#homes = join(home, FOLDER);
    // A volume of an older version is its user's, and root without that capability may not write
    // into it.
    chownSync(home, 0, 0);
    chmodSync(home, PASSABLE);
    mkdirSync(this.#homes, { recursive: true });
    chmodSync(this.#homes, PASSABLE);
  }

  /**
   * The user of a server, whose home is made where it is not there yet.
   * @param server what tells it from others: a name of a directory
   * @throws Error with a sentence where all users are taken
   */
  of(server: string): ServerUser {
    const home = join(this.#homes, server);
    const owners = new Map(readdirSync(this.#homes).map((name) => [name, this.#ownerOf(name)]));
    const known = owners.get(server);
    // Root's is one whose making was cut short.
    if (known !== undefined && known !== 0) return { uid: known, home };
    const taken = new Set(owners.values());
    const { first, last } = this.#range;
    let uid = first;
    while (taken.has(uid)) uid += 1;
    if (uid > last)
      throw new Error(
        `All users of MCP_SIDECAR_USERS (${first}-${last}) are taken: give more, or remove homes of servers that are no longer used.`,
      );
    mkdirSync(home, { recursive: true, mode: 0o700 });
    chownSync(home, uid, uid);
    return { uid, home };
  }

  #ownerOf(name: string): number {
    return statSync(join(this.#homes, name)).uid;
  }
}

/**
 * Hands an empty directory over to a user. Root's group may pass: a process that is being started
 * goes there before it becomes the user, and root without its capabilities is one of many.
 */
export function giveTo(directory: string, { uid }: ServerUser): void {
  chmodSync(directory, 0o710);
  chownSync(directory, uid, 0);
}

/** What a command prints that is run as a user: what root without its capabilities may not do. */
export function runAs(
  { uid, cwd = "/" }: { uid: number; cwd?: string },
  command: string,
  args: string[],
): string {
  const { stdout } = spawnSync(command, args, { uid, gid: uid, cwd, encoding: "utf8" });
  return stdout;
}
