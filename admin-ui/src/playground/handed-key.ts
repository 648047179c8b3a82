/**
 * A key on its way from where it was made to the playground: in this page's memory, and nowhere
 * else.
 */
const handed = new Map<"key", string>();

/** Keeps a key for the playground. */
export const handKey = (key: string): void => void handed.set("key", key);

/** The key that was handed over last, or an empty text. */
export const handedKey = (): string => handed.get("key") ?? "";
