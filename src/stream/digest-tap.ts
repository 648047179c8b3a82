import type { IncrementalHash } from "../platform.ts";

/** What is known of bytes that crossed. */
interface Digest {
  /** In hexadecimal. */
  sha256: string;
  bytes: number;
}

/** Counts and hashes bytes that pass, and holds none of them. */
export interface DigestTap {
  /** A stream that ends as its source does, and hands on each chunk as it is. */
  readable: ReadableStream<Uint8Array>;
  /** Of what has crossed by now. */
  digest(): Digest;
}

/** Reads along a body that streams up. Nothing is read of it before somebody else wants it. */
export function openDigestTap(
  source: ReadableStream<Uint8Array>,
  hash: IncrementalHash,
  onChunk?: (bytes: Uint8Array) => void,
): DigestTap {
  let bytes = 0;
  const tap = new TransformStream<Uint8Array, Uint8Array>(
    {
      transform: (chunk, controller) => {
        bytes += chunk.byteLength;
        hash.update(chunk);
        onChunk?.(chunk);
        controller.enqueue(chunk);
      },
    },
    undefined,
    { highWaterMark: 0 },
  );
  return {
    readable: source.pipeThrough(tap),
    digest: () => ({ sha256: hash.hex(), bytes }),
  };
}
