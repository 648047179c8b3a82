import { createHash } from "node:crypto";
import type { IncrementalHash } from "../platform.ts";

/** OpenSSL's SHA-256: some ten times as fast as one in JavaScript. */
export function startHash(): IncrementalHash {
  const hash = createHash("sha256");
  return {
    update: (bytes) => void hash.update(bytes),
    hex: () => hash.copy().digest("hex"),
  };
}
