import { access, constants } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import type { Place } from "./process-ledger.ts";
import type { Executable } from "./resolve-command.ts";

interface Start extends Executable {
  env: Record<string, string>;
}

interface PlacedStart extends Start {
  cwd: string;
}

/** A shell that joins the group before it becomes the program, so that no child is born outside. */
const JOIN = 'echo $$ > "$0/cgroup.procs"; unset PWD; exec "$@"';

/** What `spawn` says where there is no such program, which no shell may say in its stead. */
async function find(file: string, path: string): Promise<void> {
  const candidates = isAbsolute(file)
    ? [file]
    : path.split(delimiter).map((directory) => join(directory, file));
  for (const candidate of candidates) {
    const isThere = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return;
  }
  throw Object.assign(new Error(`spawn ${file} ENOENT`), { code: "ENOENT" });
}

/** How a program is started in a place. @throws Error with the code ENOENT where there is none */
export async function placeIn(place: Place, start: Start): Promise<PlacedStart> {
  const { mark, directory, cgroup } = place;
  const [name = "", value = ""] = mark.split("=");
  const env = { ...start.env, [name]: value };
  if (cgroup === null) return { ...start, env, cwd: directory };
  await find(start.file, env["PATH"] ?? "");
  const args = ["-c", JOIN, cgroup, start.file, ...start.args];
  return { file: "/bin/sh", args, env, cwd: directory };
}
