/** Numbers and times as people read them. */

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });
const NUMBER = new Intl.NumberFormat("en");

const UNITS = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
] as const;

/** The moment to the second, in the reader's time zone. */
export const formatMoment = (iso: string): string => MOMENT.format(new Date(iso));

/** "5 minutes ago", or the day where that is more than a week away. */
export function formatAge(iso: string, now: number = Date.now()): string {
  const seconds = (Date.parse(iso) - now) / 1000;
  if (Math.abs(seconds) > 7 * 86_400) return DAY.format(new Date(iso));
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return unit === "second" && Math.abs(seconds) < 10 ? "just now" : RELATIVE.format(Math.round(seconds / size), unit);
}

/** `820 ms`, `3.4 s`, `2 min 5 s`; a dash for what was not measured. */
export function formatDuration(ms: number | null): string {
  if (ms === null) return "–";
  if (ms < 1000) return `${ms} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** With thousands separators; a dash for what is not known, which is not 0. */
export const formatCount = (count: number | null): string => (count === null ? "–" : NUMBER.format(count));

/** "1 tool", "2 tools". */
export const countOf = (count: number, noun: string): string => `${NUMBER.format(count)} ${noun}${count === 1 ? "" : "s"}`;

/** `time_to_first-token`, `latencyMs` → words. */
export const asWords = (name: string): string =>
  name
    .replaceAll(/[_-]+/g, " ")
    .replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ")
    .toLowerCase();

/** Digits that JavaScript's numbers cannot hold. */
const LONG_NUMBER = /\d{16}/;

/** JSON with indentation; a text that is JSON is read first, any other stays as it is. */
export function formatJson(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value, null, 2);
  if (LONG_NUMBER.test(value)) return value;
  try {
    const read: unknown = JSON.parse(value);
    return typeof read === "object" && read !== null ? JSON.stringify(read, null, 2) : value;
  } catch (error) {
    if (error instanceof SyntaxError) return value;
    throw error;
  }
}
