const FIRST = Date.parse("0001-01-01T00:00:00Z");
const END = Date.parse("+010000-01-01T00:00:00Z");

/**
 * Whether a time has a year from 1 to 9999 (UTC): what is beyond is spelled otherwise by JavaScript
 * than by PostgreSQL, which fails a whole statement over it.
 */
export function isStorableTime(time: Date): boolean {
  const ms = time.getTime();
  return ms >= FIRST && ms < END;
}

/** The time that a text has, or null where it has none, or one that cannot be stored. */
export function readTime(text: string): Date | null {
  const time = new Date(text);
  return isStorableTime(time) ? time : null;
}
