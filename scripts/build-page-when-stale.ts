/**
 * Builds the admin page where `dist/admin` is missing or older than its sources, so that a clean
 * clone serves it at once.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "..");
const BUILT = join(ROOT, "dist/admin/index.html");
const SOURCES = ["admin-ui", "vite.config.ts"];
const VITE = join(ROOT, "node_modules/vite/bin/vite.js");

/** When a file, or the youngest file of a directory, was changed; milliseconds since 1970. */
function changedAt(path: string): number {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => changedAt(join(path, name))));
}

const builtAt = existsSync(BUILT) ? statSync(BUILT).mtimeMs : 0;
const sources = SOURCES.map((name) => join(ROOT, name)).filter((path) => existsSync(path));

if (sources.some((path) => changedAt(path) > builtAt)) {
  if (existsSync(VITE)) {
    const { status } = spawnSync(process.execPath, [VITE, "build", "--logLevel", "warn"], {
      cwd: ROOT,
      stdio: "inherit",
    });
    process.exitCode = status ?? 1;
  } else if (builtAt === 0) {
    // A production install has no vite. The proxy works without the page, which then says what to
    // do.
    console.warn("The admin page is not built, and vite, which builds it, is not installed.");
  }
}
