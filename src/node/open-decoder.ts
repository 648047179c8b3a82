import { Duplex } from "node:stream";
import { constants, createZstdDecompress } from "node:zlib";
import type { Decoder, OpenDecoder } from "../platform.ts";

/** What a sender may ask us to hold of what it said before: 8 MB, as RFC 9659 has it. */
const ZSTD_WINDOW = { [constants.ZSTD_d_windowLogMax]: 23 };

/** Knows zstd, which `DecompressionStream` does not. */
export const openDecoder: OpenDecoder = (encoding) => {
  if (encoding !== "zstd") return null;
  const decoder: unknown = Duplex.toWeb(createZstdDecompress({ params: ZSTD_WINDOW }));
  return decoder as Decoder;
};
