/** Which time the overview is about: it stands in the address. */
import type { Stats, StatsFigures } from "../api-shapes.ts";
import type { Query } from "../http.ts";
import type { Place } from "../router.tsx";

export const RANGES = [
  { value: "24h", label: "24 hours", hours: 24, bucket: "hour" },
  { value: "7d", label: "7 days", hours: 168, bucket: "hour" },
  { value: "30d", label: "30 days", hours: 720, bucket: "day" },
  { value: "90d", label: "90 days", hours: 2160, bucket: "day" },
] as const;

const HOUR_MS = 3_600_000;

/** The range that the address names, or a day. */
export const rangeOf = ({ query }: Place): (typeof RANGES)[number] =>
  RANGES.find(({ value }) => value === query.get("range")) ?? RANGES[0];

/** The range as the API takes it: whole hours, so that it is the same for an hour. */
export function statsQuery({ hours, bucket }: (typeof RANGES)[number], groupBy: string): Query {
  const to = Math.ceil(Date.now() / HOUR_MS) * HOUR_MS;
  return {
    from: new Date(to - hours * HOUR_MS).toISOString(),
    to: new Date(to).toISOString(),
    bucket,
    groupBy,
  };
}

/**
 * What lies behind a figure: everything of the range that is like that, conversations or not.
 * @param wanted parameters of the list of conversations
 */
export function recordOf(range: (typeof RANGES)[number], wanted: Record<string, string>): string {
  const { from, to } = statsQuery(range, "none");
  const query = new URLSearchParams({ kind: "all", ...wanted, from: String(from), to: String(to) });
  return `/conversations?${query.toString()}`;
}

const NOTHING: StatsFigures = {
  group: null,
  label: null,
  requests: 0,
  failed: 0,
  cancelled: 0,
  refused: 0,
  promptTokens: 0,
  completionTokens: 0,
  cachedTokens: 0,
  reasoningTokens: 0,
  cost: 0,
  unpriced: 0,
  durationMs: null,
  timeToFirstTokenMs: null,
};

/** The figures of the whole range. */
export const totalOf = ({ totals }: Stats): StatsFigures => totals[0] ?? NOTHING;
