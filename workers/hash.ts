import { createHash } from "node:crypto";
import type { IncrementalHash } from "../src/platform.ts";

/** WebCrypto takes no pieces; `nodejs_compat` has a hash that does. */
export function startHash(): IncrementalHash {
  const hash = createHash("sha256");
  return {
    update: (bytes) => void hash.update(bytes),
    hex: () => hash.copy().digest("hex"),
  };
}
