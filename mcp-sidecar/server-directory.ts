/** The empty directories that MCP servers are started in, so that they find none of ours. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const FOLDER = "servers";

/**
 * Where one sidecar makes its servers' directories. npm looks upwards for a project and uv for
 * settings, and both stop at what lies here: above may be a directory that everybody writes to.
 * @param options `sidecar`: what tells it from others; `mode`: who may pass
 */
export function openServerDirectories(
  stateDir: string,
  { sidecar, mode }: { sidecar: string; mode: number },
): string {
  const all = join(stateDir, FOLDER);
  mkdirSync(join(all, "node_modules"), { recursive: true, mode: 0o700 });
  writeFileSync(join(all, "uv.toml"), "", { mode: 0o600 });
  const own = join(all, sidecar);
  mkdirSync(own, { recursive: true });
  for (const each of [all, own]) chmodSync(each, mode);
  return own;
}

/** Makes an empty directory that only this user can read. */
export function makeServerDirectory(parent: string): string {
  return mkdtempSync(join(parent, "server-"));
}

/** Removes a directory with all that its server wrote there. */
export function removeServerDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
}

/** Removes the directories of a sidecar that no longer runs. */
export function removeServerDirectories(stateDir: string, sidecar: string): void {
  removeServerDirectory(join(stateDir, FOLDER, sidecar));
}
