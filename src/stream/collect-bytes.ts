/** How much may be collected, and what is thrown beyond that. */
interface SizeLimit {
  maxBytes: number;
  tooLarge: () => Error;
}

/** A stream's bytes as one array; it is given up as soon as it is larger than the limit. */
export async function collectBytes(
  stream: ReadableStream<Uint8Array>,
  { maxBytes, tooLarge }: SizeLimit,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.byteLength;
    if (size > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return joinBytes(chunks, size);
}

/** Chunks as one array. @param size their length in all, in bytes */
function joinBytes(chunks: Uint8Array[], size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}
