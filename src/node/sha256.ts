import { hash } from "node:crypto";
import type { Sha256 } from "../sha256.ts";

/** OpenSSL's, in one call: 0.9 µs for a message's text, 5 µs in JavaScript. */
export const sha256Hex: Sha256 = (data) => hash("sha256", data, "hex");
