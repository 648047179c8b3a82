import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Variable } from "../config/variable.ts";
import { VARIABLES } from "../config/variables.ts";

/** Names the file in which a process hands its secrets over to itself. */
const HANDED_OVER = "OPENAI_PROXY_HANDED_OVER";
/** In memory, where Linux has it. */
const SHARED_MEMORY = "/dev/shm";

/** Takes what was handed over; no child that is started later finds it in `/proc`. */
function takeOver(path: string): void {
  Object.assign(process.env, JSON.parse(readFileSync(path, "utf8")));
  delete process.env[HANDED_OVER];
  rmSync(dirname(path), { recursive: true });
}

function handOver(secrets: Record<string, string>): string {
  const parent = existsSync(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir();
  const path = join(mkdtempSync(join(parent, "openai-proxy-")), "secrets.json");
  writeFileSync(path, JSON.stringify(secrets), { mode: 0o600 });
  return path;
}

/**
 * Clears secrets out of the environment that the process was started with: Linux shows that in
 * `/proc/PID/environ` as long as the process lives, whatever becomes of `process.env`. So the
 * process starts anew under the same number (94 to 192 ms, on a busy machine), without them, and
 * takes them from a file that only its user can read, which it removes at once. What `.env` or
 * `NAME_FILE` hold never was in there.
 */
export function shedSecrets(): void {
  const path = process.env[HANDED_OVER];
  if (path !== undefined) return takeOver(path);
  const rows = Object.values<Variable>(VARIABLES).filter(({ isSecret }) => isSecret);
  const names = rows.map(({ name }) => name).filter((name) => process.env[name] !== undefined);
  // Windows shows no environments, and cannot; a channel to a parent would be lost.
  if (names.length === 0 || process.platform === "win32" || process.channel) return;
  const env = { ...process.env };
  const secrets: Record<string, string> = {};
  for (const name of names) {
    secrets[name] = env[name] ?? "";
    delete env[name];
  }
  if (process.execve === undefined) return;
  const args = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  process.execve(process.execPath, args, { ...env, [HANDED_OVER]: handOver(secrets) });
}
