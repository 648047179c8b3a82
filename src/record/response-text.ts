/** Longest response that is kept, in bytes. A longer one is kept in part, and marked. */
const MAX_KEPT_BYTES = 8 * 1024 * 1024;

/** Keeps the chunks of a response by reference, and makes one text of them at the end. */
export function createResponseText(contentType: string): {
  add(bytes: Uint8Array): void;
  result(): { contentType: string; text: string; truncated: boolean };
} {
  const chunks: Uint8Array[] = [];
  let size = 0;
  let truncated = false;
  return {
    add: (bytes) => {
      if (size + bytes.byteLength > MAX_KEPT_BYTES) truncated = true;
      if (truncated) return;
      size += bytes.byteLength;
      chunks.push(bytes);
    },
    result: () => {
      const whole = new Uint8Array(size);
      let offset = 0;
      for (const bytes of chunks) {
        whole.set(bytes, offset);
        offset += bytes.byteLength;
      }
      return { contentType, text: new TextDecoder().decode(whole), truncated };
    },
  };
}
