import { base64url } from "jose";
import { memorySlot, type Memory } from "../memory.ts";

/** Encrypts texts for the database, and back. */
export interface Seal {
  /**
   * A text that is safe to store: `v1.KEY_ID.PAYLOAD`. The same text never looks the same twice.
   */
  seal(text: string): Promise<string>;
  /**
   * @throws SealError where the sealed text is of another secret, was changed, or is no sealed text
   */
  open(sealed: string): Promise<string>;
}

/** A stored secret that cannot be opened; the message says what to do. */
export class SealError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "SealError";
  }
}

const VERSION = "v1";
/** 96 bits, as NIST SP 800-38D recommends for GCM. */
const NONCE_BYTES = 12;
const KEY_BYTES = 32;
/** Enough to tell one configured secret from the one before it; says nothing about the key. */
const KEY_ID_BYTES = 6;
const CONTEXT = "openai-proxy-server stored secrets v1";

interface DerivedKey {
  id: string;
  key: CryptoKey;
}

const bytesOf = (text: string) => new TextEncoder().encode(text);

async function deriveKey(secret: string): Promise<DerivedKey> {
  const material = await crypto.subtle.importKey("raw", bytesOf(secret), "HKDF", false, [
    "deriveBits",
  ]);
  // No salt: the key must be the same on every replica, and the secret is the operator's own.
  const rule = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: bytesOf(CONTEXT) };
  const bits = await crypto.subtle.deriveBits(rule, material, (KEY_BYTES + KEY_ID_BYTES) * 8);
  const key = await crypto.subtle.importKey("raw", bits.slice(0, KEY_BYTES), "AES-GCM", false, [
    "encrypt",
    "decrypt",
  ]);
  return { id: base64url.encode(new Uint8Array(bits, KEY_BYTES)), key };
}

/**
 * AES-256-GCM under a key that HKDF-SHA-256 derives from the secret.
 * @param secret `ENCRYPTION_KEY`, of any length
 * @internal `sealOf` is what the product uses
 */
export function createSeal(secret: string): Seal {
  // The key and not its promise is kept: on workerd a promise belongs to the request that made it.
  let derived: DerivedKey | null = null;
  const ready = async () => (derived ??= await deriveKey(secret));
  return {
    seal: async (text) => {
      const { id, key } = await ready();
      const header = `${VERSION}.${id}`;
      const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
      const encrypted = await crypto.subtle.encrypt(
        { name: "AES-GCM", iv: nonce, additionalData: bytesOf(header) },
        key,
        bytesOf(text),
      );
      const payload = new Uint8Array(NONCE_BYTES + encrypted.byteLength);
      payload.set(nonce);
      payload.set(new Uint8Array(encrypted), NONCE_BYTES);
      return `${header}.${base64url.encode(payload)}`;
    },
    open: async (sealed) => {
      const { id, key } = await ready();
      const [version, keyId, payload] = sealed.split(".");
      if (version !== VERSION || keyId === undefined || payload === undefined)
        throw new SealError("A stored secret is not in a format that this version can read.");
      if (keyId !== id) {
        throw new SealError(
          "A stored secret was encrypted under another ENCRYPTION_KEY (or JWT_SECRET, where ENCRYPTION_KEY is not set). Set the old one again, or enter the secret anew.",
        );
      }
      try {
        const bytes = base64url.decode(payload);
        const rule = {
          name: "AES-GCM",
          iv: bytes.slice(0, NONCE_BYTES),
          additionalData: bytesOf(`${version}.${keyId}`),
        };
        return new TextDecoder().decode(
          await crypto.subtle.decrypt(rule, key, bytes.slice(NONCE_BYTES)),
        );
      } catch (error) {
        throw new SealError("A stored secret is damaged. Enter it anew.", { cause: error });
      }
    },
  };
}

/** The parts of a platform that a seal needs. */
interface SealOwner {
  config: { encryptionKey: string };
  memory: Memory;
}

const seal = memorySlot(createSeal);

/** The seal of this process: its key is derived once. */
export function sealOf({ config, memory }: SealOwner): Seal {
  return seal.of(memory, config.encryptionKey);
}
