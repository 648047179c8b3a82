import { sha256Hex } from "#sha256";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * Whether a text is a UUID of any version: PostgreSQL fails a whole statement over one that is not.
 */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** The UUID (version 8) that a text has: the same text always gives the same one. */
export function uuidOf(text: string): string {
  const hex = sha256Hex(text);
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** What a conversation is called for a key that names another key's. The same each time. */
export const ownConversation = (apiKeyId: string, conversationId: string): string =>
  uuidOf(`${apiKeyId} ${conversationId}`);
