/**
 * How long a proxy's main thread was held, and what the proxy has in memory: see `weigh-itself.ts`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StartedProcess } from "./start-target.ts";

/** What a proxy is started with that is to be weighed. */
export const WEIGHING = {
  NODE_OPTIONS: `--import=${join(import.meta.dirname, "weigh-itself.ts")}`,
};

/** What a proxy tells of its main thread. */
interface Weight {
  /** The longest that it worked at a time since it was asked before, in CPU time. */
  longestHoldMs: number;
}

/** Asks a proxy that was started with {@link WEIGHING}. */
export const weighed = (proxy: StartedProcess): Promise<Weight> => asked<Weight>(proxy, "/");

/** Memory that its main thread holds and still needs, in MB: values and texts, and buffers. */
export async function heldMb(proxy: StartedProcess): Promise<{ values: number; buffers: number }> {
  type Held = { heapUsed: number; external: number };
  const { heapUsed, external } = await asked<Held>(proxy, "/held");
  return { values: heapUsed / 1_000_000, buffers: external / 1_000_000 };
}

async function asked<Told>({ output }: StartedProcess, path: string): Promise<Told> {
  const place = output.map((line) => /Weighs itself at (\S+)/.exec(line)?.[1]);
  const url = place.find((found) => found !== undefined);
  if (url === undefined) throw new Error("The proxy was not started to be weighed");
  return (await (await fetch(`${url}${path}`)).json()) as Told;
}

/** Resident memory of a process now, and at most since it was forgotten. In MB. Linux alone. */
export function residentMb({ child }: StartedProcess): { now: number; most: number } {
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  const read = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
  return { now: read("VmRSS"), most: read("VmHWM") };
}

/** Forgets how much memory a process had at most. */
export const forgetMost = ({ child }: StartedProcess): void =>
  writeFileSync(`/proc/${child.pid}/clear_refs`, "5");
