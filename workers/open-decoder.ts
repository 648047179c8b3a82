import { Duplex } from "node:stream";
import { constants, createBrotliDecompress, createZstdDecompress } from "node:zlib";
import type { Decoder, OpenDecoder } from "../src/platform.ts";

/** What a sender may ask us to hold of what it said before: 8 MB, as RFC 9659 has it. */
const ZSTD_WINDOW = { [constants.ZSTD_d_windowLogMax]: 23 };

const DECODERS: Record<string, () => unknown> = {
  br: createBrotliDecompress,
  zstd: () => createZstdDecompress({ params: ZSTD_WINDOW }),
};

/** Knows what workerd's `DecompressionStream` does not, by its `nodejs_compat` (seen 2026-11). */
export const openDecoder: OpenDecoder = (encoding) => {
  const open = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined;
  return open === undefined ? null : (Duplex.toWeb(open()) as Decoder);
};
