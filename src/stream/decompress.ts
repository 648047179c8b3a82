import type { Decoder, OpenDecoder } from "../platform.ts";

/**
 * Names of `content-encoding`, and what `DecompressionStream` calls them. Node 24 knows all of
 * these, workerd neither brotli, and neither knows zstd (seen 2026-11).
 */
const FORMATS: Record<string, string> = {
  gzip: "gzip",
  "x-gzip": "gzip",
  deflate: "deflate",
  br: "brotli",
};

/** Encodings that a `content-encoding` names, in the order in which they were applied. */
export function encodingsOf(header: string | null | undefined): string[] {
  return (header ?? "")
    .split(",")
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== "" && name !== "identity");
}

/**
 * A decoder of one encoding.
 * @throws TypeError where this runtime knows no such encoding: beyond gzip and deflate they differ
 */
export function decoderOf(encoding: string, openDecoder?: OpenDecoder): Decoder {
  const own = openDecoder?.(encoding) ?? null;
  if (own !== null) return own;
  const format = Object.hasOwn(FORMATS, encoding) ? FORMATS[encoding] : encoding;
  const stream: unknown = new DecompressionStream(format as CompressionFormat);
  return stream as Decoder;
}

/**
 * A body without its encodings.
 * @param encodings as {@link encodingsOf} gives them
 * @throws TypeError where this runtime knows no such encoding
 */
export function decompressed(
  body: ReadableStream<Uint8Array>,
  encodings: string[],
  openDecoder?: OpenDecoder,
): ReadableStream<Uint8Array> {
  return encodings.reduceRight<ReadableStream<Uint8Array>>((stream, encoding) => {
    return stream.pipeThrough(decoderOf(encoding, openDecoder));
  }, body);
}
