import { createHash } from "node:crypto";
import type { Sha256 } from "../src/sha256.ts";

/** The runtime's own, which `nodejs_compat` gives: WebCrypto's hash would have to be waited for. */
export const sha256Hex: Sha256 = (data) => createHash("sha256").update(data).digest("hex");
