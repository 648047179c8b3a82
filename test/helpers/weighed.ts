/** How long a proxy's main thread was held: see `weigh-itself.ts`. */
import { join } from "node:path";
import type { StartedProcess } from "./start-target.ts";

/** What a proxy is started with that is to be weighed. */
export const WEIGHING = {
  NODE_OPTIONS: `--import=${join(import.meta.dirname, "weigh-itself.ts")}`,
};

/** What a proxy tells of itself. */
interface Weight {
  /** The longest that its main thread worked at a time since it was asked before, in CPU time. */
  longestHoldMs: number;
}

/** Asks a proxy that was started with {@link WEIGHING}. */
export async function weighed({ output }: StartedProcess): Promise<Weight> {
  const place = output.map((line) => /Weighs itself at (\S+)/.exec(line)?.[1]);
  const url = place.find((found) => found !== undefined);
  if (url === undefined) throw new Error("The proxy was not started to be weighed");
  return (await (await fetch(url)).json()) as Weight;
}
