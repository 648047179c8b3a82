/** Which conversations are shown: it stands in the address, so that a link shows the same. */
import type { Query } from "../http.ts";
import type { Place } from "../router.tsx";

/** Parameters of the address, apart from the time. */
const NAMES = [
  "q",
  "apiKeyId",
  "model",
  "status",
  "tool",
  "toolStatus",
  "endpoint",
  "minDurationMs",
] as const;

/** What the list shows: in the address, and as the API has it. */
export const KINDS = [
  { value: "", label: "Conversations", kind: "conversation" },
  { value: "request", label: "Single requests", kind: "request" },
  { value: "all", label: "Everything", kind: null },
] as const;

/** Conversations, unless the address says otherwise; an endpoint says what its requests are. */
function kindOf(query: URLSearchParams): string | null {
  const named = query.get("kind") ?? "";
  if (named === "" && query.get("endpoint") !== null) return null;
  return KINDS.find(({ value }) => value === named)?.kind ?? null;
}

/** Times as the list offers them, with their length in hours. */
export const SINCE = [
  { value: "1h", label: "Last hour", hours: 1 },
  { value: "24h", label: "Last 24 hours", hours: 24 },
  { value: "7d", label: "Last 7 days", hours: 168 },
  { value: "30d", label: "Last 30 days", hours: 720 },
] as const;

const MINUTE_MS = 60_000;

/** The start of a time, to the minute: the list must not be another one at every moment. */
function startOf(since: string | null): string | null {
  const hours = SINCE.find(({ value }) => value === since)?.hours;
  if (hours === undefined) return null;
  return new Date(
    Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - hours * 60 * MINUTE_MS,
  ).toISOString();
}

/** The filter as the API takes it. */
export function filterOf({ query }: Place): Query {
  const from = query.get("from") ?? startOf(query.get("since"));
  return {
    ...Object.fromEntries(NAMES.map((name) => [name, query.get(name)])),
    kind: kindOf(query),
    from,
    to: query.get("to"),
  };
}

/** What a live tail can be narrowed by: it knows neither times nor words. */
export function liveFilterOf(filter: Query): Query {
  const { q: _q, from: _from, to: _to, ...rest } = filter;
  return rest;
}

/** How many of these parameters are set. */
export const countSet = ({ query }: Place, names: readonly string[]): number =>
  names.filter((name) => query.get(name) !== null).length;

/** Every parameter that narrows the list. */
export const ALL_NAMES: readonly string[] = [...NAMES, "kind", "since", "from", "to"];
