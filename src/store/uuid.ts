const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether a text is a UUID of any version: PostgreSQL fails a whole statement over one that is not. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}
