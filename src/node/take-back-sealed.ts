import { appendFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isObject, parseJson } from "../openai/json.ts";
import { REASONS } from "./rejected-file.ts";
import type { SpoolLines } from "./spool-line.ts";

/** Beside `rejected.ndjson`, while it is looked through: a process that is killed leaves it. */
const CLAIMED = /^rejected-[0-9a-f-]{36}\.ndjson$/;

/** The line of a spool in a line of the file, where it was set aside for its key alone. */
function sealedIn(text: string): string | null {
  const rejected = parseJson(text);
  if (!isObject(rejected) || rejected["reason"] !== REASONS["another key"]) return null;
  return typeof rejected["line"] === "string" ? rejected["line"] : null;
}

/**
 * Takes back, out of `rejected.ndjson`, what was sealed under the secret that is in force again.
 * @param take keeps a line; where it throws, nothing is taken out of the file
 */
export async function takeBackSealed(
  directory: string,
  lines: SpoolLines,
  take: (line: string) => void | Promise<void>,
): Promise<void> {
  const path = join(directory, "rejected.ndjson");
  const isOpen = (text: string) => {
    const line = sealedIn(text);
    return line !== null && "record" in lines.read(line);
  };
  const textsIn = (file: string) => readFileSync(file, "utf8").split("\n");
  if (existsSync(path) && textsIn(path).some(isOpen))
    renameSync(path, join(directory, `rejected-${crypto.randomUUID()}.ndjson`));
  const claimed = existsSync(directory) ? readdirSync(directory) : [];
  for (const name of claimed.filter((one) => CLAIMED.test(one))) {
    const texts = textsIn(join(directory, name)).filter((text) => text !== "");
    for (const text of texts.filter(isOpen)) await take(sealedIn(text) ?? "");
    const rest = texts.filter((text) => !isOpen(text));
    if (rest.length > 0) appendFileSync(path, `${rest.join("\n")}\n`, { mode: 0o600 });
    rmSync(join(directory, name));
  }
}
