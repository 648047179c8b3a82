/** Encodings that a `content-encoding` names, in the order in which they were applied. */
export function encodingsOf(header: string | null | undefined): string[] {
  return (header ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "" && name !== "identity");
}

/**
 * A body without its encodings.
 * @param encodings as {@link encodingsOf} gives them
 * @throws TypeError where this runtime knows no such encoding: beyond gzip and deflate they differ
 */
export function decompressed(
  body: ReadableStream<Uint8Array>,
  encodings: string[],
): ReadableStream<Uint8Array> {
  return encodings.reduceRight<ReadableStream<Uint8Array>>((stream, encoding) => {
    const transform: ReadableWritablePair<Uint8Array, BufferSource> = new DecompressionStream(
      (encoding === "br" ? "brotli" : encoding) as CompressionFormat,
    );
    return stream.pipeThrough(transform as unknown as ReadableWritablePair<Uint8Array, Uint8Array>);
  }, body);
}
