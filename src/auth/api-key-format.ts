import { base64url } from "jose";

/** How every proxy key begins, so that secret scanners and people recognise one. */
export const API_KEY_PREFIX = "sk-proxy-";

const RANDOM_BYTES = 32;
/** `sk-proxy-` and 7 characters: 42 of the 256 random bits, enough to tell keys apart. */
const VISIBLE_LENGTH = 16;
/** 24 bits more, for people who have the key and look for its name. 190 random bits stay unseen. */
const SUFFIX_LENGTH = 4;

/** A new key, and what of it may be shown later. */
export interface NewApiKey {
  /** `sk-proxy-` and 43 characters of base64url: 256 random bits. */
  key: string;
  keyPrefix: string;
  /** Its last 4 characters. */
  keySuffix: string;
  keyHash: string;
}

/** SHA-256 in hexadecimal. A slow hash would add nothing: nobody guesses 256 random bits. */
export async function hashApiKey(key: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Makes a key that nobody has. */
export async function createApiKey(): Promise<NewApiKey> {
  const key =
    API_KEY_PREFIX + base64url.encode(crypto.getRandomValues(new Uint8Array(RANDOM_BYTES)));
  return {
    key,
    keyPrefix: key.slice(0, VISIBLE_LENGTH),
    keySuffix: key.slice(-SUFFIX_LENGTH),
    keyHash: await hashApiKey(key),
  };
}
