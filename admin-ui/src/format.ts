/** Numbers and times as people read them. */

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "narrow" });
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

/** "5m ago", or the day where that is more than a week away. */
export function formatAge(iso: string, now: number = Date.now()): string {
  const seconds = (Date.parse(iso) - now) / 1000;
  if (Math.abs(seconds) > 7 * 86_400) return DAY.format(new Date(iso));
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return unit === "second" && Math.abs(seconds) < 10
    ? "just now"
    : RELATIVE.format(Math.round(seconds / size), unit);
}

/** `820 ms`, `3.4 s`, `2 min 5 s`; a dash for what was not measured. */
export function formatDuration(ms: number | null): string {
  if (ms === null) return "–";
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** `1.2K`, `34M`: for where there is little room. */
export const formatCompact = (count: number): string =>
  count < 10_000 ? NUMBER.format(Math.round(count)) : COMPACT.format(count);

/**
 * US dollars, to as many digits as say something; "unknown" where the price is not known, which is
 * not 0.
 */
export function formatCost(dollars: number | null): string {
  if (dollars === null) return "unknown";
  if (dollars === 0) return "$0";
  if (dollars < 0.0001) return "<$0.0001";
  const digits = dollars < 0.01 ? 4 : dollars < 1 ? 3 : 2;
  return `$${dollars.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: digits })}`;
}

/** `3.2%`; a part of nothing is nothing. */
export const formatShare = (part: number, whole: number): string =>
  whole === 0 || part === 0
    ? "0%"
    : `${((part / whole) * 100).toFixed(part / whole < 0.1 ? 1 : 0)}%`;

/** With thousands separators; a dash for what is not known, which is not 0. */
export const formatCount = (count: number | null): string =>
  count === null ? "–" : NUMBER.format(count);

/** "1 tool", "2 tools". */
export const countOf = (count: number, noun: string): string =>
  `${NUMBER.format(count)} ${noun}${count === 1 ? "" : "s"}`;

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

const BYTE_UNITS = ["B", "KB", "MB", "GB"];

/** `12 KB`. */
export function formatBytes(bytes: number): string {
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), BYTE_UNITS.length - 1);
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${BYTE_UNITS[power]}`;
}

/** The first line of a text, without what would not be seen. */
export const firstLine = (text: string, length = 160): string =>
  text.replaceAll(/\s+/g, " ").trim().slice(0, length);

/** As `<input type="datetime-local">` has it: to the minute, in the reader's time. */
export function asLocalTime(iso: string | null): string {
  const time = new Date(iso ?? "");
  if (Number.isNaN(time.getTime())) return "";
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
