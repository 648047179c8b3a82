/**
 * The SHA-256 of many bytes in hexadecimal, by the runtime, off its main thread where it has
 * another. A text of a message is hashed at once, by `#sha256`: a promise costs more than that.
 */
export async function sha256Aside(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
