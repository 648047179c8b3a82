import { ApiError } from "../openai/api-error.ts";
import { collectBytes } from "./collect-bytes.ts";

/** A request body in memory. */
export interface ReadBody {
  /** As received. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Decoded and decompressed text. */
  text(): Promise<string>;
}

function tooLarge(maxBytes: number): ApiError {
  return new ApiError(
    "body_too_large",
    `The request body is larger than ${maxBytes} bytes. Send less, or ask the operator of this proxy to raise MAX_BODY_BYTES.`,
  );
}

const collect = (stream: ReadableStream<Uint8Array>, maxBytes: number) =>
  collectBytes(stream, { maxBytes, tooLarge: () => tooLarge(maxBytes) });

/** Decompresses what `content-encoding` names, the last one first. Limits the size, so that a small bomb stays small. */
async function decompress(bytes: Uint8Array<ArrayBuffer>, encodings: string[], maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  let decoded = bytes;
  for (const encoding of encodings.toReversed()) {
    const stream = new Blob([decoded]).stream().pipeThrough(decompressionStream(encoding));
    try {
      decoded = await collect(stream, maxBytes);
    } catch (error) {
      if (error instanceof ApiError) throw error;
      throw new ApiError("bad_request", `The request body is not valid ${encoding} data, which its content-encoding says it is.`, {
        cause: error,
      });
    }
  }
  return decoded;
}

function decompressionStream(encoding: string): ReadableWritablePair<Uint8Array, BufferSource> {
  try {
    // Which names beyond gzip and deflate are known depends on the runtime.
    return new DecompressionStream((encoding === "br" ? "brotli" : encoding) as CompressionFormat);
  } catch (error) {
    throw new ApiError(
      "unsupported_encoding",
      `The proxy cannot read a request body with content-encoding "${encoding}". Send it as gzip, or as it is.`,
      {
        param: "content-encoding",
        cause: error,
      },
    );
  }
}

/**
 * Reads a request body whole.
 * @throws ApiError 413 where it is larger than `maxBytes`; `text()` throws 415 for a compression that is not known
 */
export async function readBody(request: Request, maxBytes: number): Promise<ReadBody> {
  const length = Number(request.headers.get("content-length") ?? 0);
  if (length > maxBytes) throw tooLarge(maxBytes);
  const isCounted = request.headers.has("content-length");
  const bytes = isCounted || request.body === null ? new Uint8Array(await request.arrayBuffer()) : await collect(request.body, maxBytes);
  const encodings = (request.headers.get("content-encoding") ?? "").split(",").map((name) => name.trim().toLowerCase());
  const applied = encodings.filter((name) => name !== "" && name !== "identity");
  return {
    bytes,
    text: async () => new TextDecoder().decode(applied.length === 0 ? bytes : await decompress(bytes, applied, maxBytes)),
  };
}
