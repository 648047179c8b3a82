import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  randomBytes,
} from "node:crypto";

/** Encrypts lines of files in which conversations wait, and back. */
export interface LineSeal {
  /**
   * `s1.KEY_ID.PAYLOAD`, one line whatever the text is. The same text never looks the same twice.
   */
  seal(text: string): string;
  /** The text of a line, or why there is none. A line that was never sealed is its own text. */
  open(line: string): { text: string } | { fault: LineFault };
}

/**
 * `another key`: it was sealed under another secret, and can be opened with that. `damaged`: it was
 * cut short or changed.
 */
export type LineFault = "another key" | "damaged";

const VERSION = "s1";
const CIPHER = "aes-256-gcm";
/** 96 bits, as NIST SP 800-38D recommends for GCM. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
/** Enough to tell one configured secret from the one before it; says nothing about the key. */
const KEY_ID_BYTES = 6;
const CONTEXT = "openai-proxy-server spool v1";

/**
 * AES-256-GCM under a key that HKDF-SHA-256 derives from the secret, at once: a line of 4 KB takes
 * 7 µs (`bench/seal-line.ts`, 2026-11), WebCrypto's promises would take more than that.
 * @param secret `ENCRYPTION_KEY`, of any length
 */
export function createLineSeal(secret: string): LineSeal {
  const derived = Buffer.from(hkdfSync("sha256", secret, "", CONTEXT, KEY_BYTES + KEY_ID_BYTES));
  // Of bytes, a key would be made anew for every line, which takes as long as all the rest.
  const key = createSecretKey(derived.subarray(0, KEY_BYTES));
  const header = `${VERSION}.${derived.toString("base64url", KEY_BYTES)}.`;
  const additional = Buffer.from(header);

  const opened = (payload: Buffer): string => {
    const nonce = payload.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(additional).setAuthTag(payload.subarray(-TAG_BYTES));
    const bytes = decipher.update(payload.subarray(NONCE_BYTES, -TAG_BYTES));
    return Buffer.concat([bytes, decipher.final()]).toString("utf8");
  };

  return {
    seal: (text) => {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(additional);
      const parts = [nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()];
      return header + Buffer.concat(parts).toString("base64");
    },
    open: (line) => {
      if (!line.startsWith(`${VERSION}.`)) return { text: line };
      if (!line.startsWith(header)) return { fault: "another key" };
      const payload = Buffer.from(line.slice(header.length), "base64");
      if (payload.byteLength < NONCE_BYTES + TAG_BYTES) return { fault: "damaged" };
      try {
        return { text: opened(payload) };
      } catch {
        // That is all that a cipher says of a tag which does not fit.
        return { fault: "damaged" };
      }
    },
  };
}
