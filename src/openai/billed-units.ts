/** What upstreams bill beside tokens, as answers tell of it. */
import { isObject, objectsOf, ownMember, type JsonObject } from "./json.ts";

/** Counts of what has a price of its own. Absent: none. */
export interface BilledUnits {
  /** Of a recording that was read. */
  audioSeconds?: number;
  webSearches?: number;
  fileSearches?: number;
}

/** Nobody is billed for more: a year of sound. */
const MAX_SECONDS = 366 * 86_400;
const MAX_ITEMS = 10_000;

/** Transcriptions by the length of the recording: `{"type": "duration", "seconds": 12.5}`. */
export function unitsOfUsage(usage: unknown): BilledUnits | null {
  if (!isObject(usage) || ownMember(usage, "type") !== "duration") return null;
  const seconds = ownMember(usage, "seconds");
  if (typeof seconds !== "number" || !(seconds > 0)) return null;
  return { audioSeconds: Math.min(seconds, MAX_SECONDS) };
}

/** A search of the web is billed, but not what is done with its results. */
function isSearch(item: JsonObject): boolean {
  const action = ownMember(item, "action");
  return !isObject(action) || (action["type"] ?? "search") === "search";
}

/** The searches in the output of a response. Null where there are none. */
export function unitsOfOutput(output: unknown): BilledUnits | null {
  const items = objectsOf(output).slice(0, MAX_ITEMS);
  const webSearches = items.filter(
    (item) => item["type"] === "web_search_call" && isSearch(item),
  ).length;
  const fileSearches = items.filter((item) => item["type"] === "file_search_call").length;
  if (webSearches + fileSearches === 0) return null;
  return {
    ...(webSearches === 0 ? {} : { webSearches }),
    ...(fileSearches === 0 ? {} : { fileSearches }),
  };
}
