import { ApiError } from "../openai/api-error.ts";
import type { OpenDecoder } from "../platform.ts";
import { textOf } from "./bytes-text.ts";
import { collectBytes } from "./collect-bytes.ts";
import { decompressed, encodingsOf } from "./decompress.ts";

/** A request body in memory. */
export interface ReadBody {
  /** As received. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Decompressed. */
  decoded(): Promise<Uint8Array<ArrayBuffer>>;
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

/** How a body is decoded. */
interface BodyReading {
  maxBytes: number;
  openDecoder: OpenDecoder | undefined;
}

/** What a request body may be compressed with at most: nobody needs a second layer. */
const MAX_ENCODINGS = 2;

/**
 * Undoes what `content-encoding` names, one after the other. Each limits the size, so that a small
 * bomb stays small, however it is packed.
 */
async function decode(
  received: Uint8Array<ArrayBuffer>,
  encodings: string[],
  { maxBytes, openDecoder }: BodyReading,
): Promise<Uint8Array<ArrayBuffer>> {
  if (encodings.length > MAX_ENCODINGS)
    throw new ApiError(
      "unsupported_encoding",
      `The request body has ${encodings.length} encodings one around the other, of which this proxy undoes at most ${MAX_ENCODINGS}. Send it as gzip, or as it is.`,
      { param: "content-encoding" },
    );
  let bytes = received;
  for (const encoding of encodings.toReversed()) {
    const stream = decodingStream(new Blob([bytes]).stream(), encoding, openDecoder);
    bytes = await collect(stream, maxBytes).catch((error: unknown) => {
      if (error instanceof ApiError) throw error;
      const message = `The request body is not valid ${encoding} data, which its content-encoding says it is.`;
      throw new ApiError("bad_request", message, { cause: error });
    });
  }
  return bytes;
}

function decodingStream(
  stream: ReadableStream<Uint8Array>,
  encoding: string,
  openDecoder: OpenDecoder | undefined,
): ReadableStream<Uint8Array> {
  try {
    return decompressed(stream, [encoding], openDecoder);
  } catch (error) {
    const message = `The proxy cannot read a request body with content-encoding "${encoding}". Send it as gzip, or as it is.`;
    throw new ApiError("unsupported_encoding", message, {
      param: "content-encoding",
      cause: error,
    });
  }
}

/**
 * Reads a request body whole.
 * @throws ApiError 413 where it is larger than `maxBytes`; `decoded()` and `text()` throw 415 for a compression
 * that is not known
 */
export async function readBody(
  request: Request,
  maxBytes: number,
  openDecoder?: OpenDecoder,
): Promise<ReadBody> {
  const length = Number(request.headers.get("content-length") ?? 0);
  if (length > maxBytes) throw tooLarge(maxBytes);
  const isCounted = request.headers.has("content-length");
  const bytes =
    isCounted || request.body === null
      ? new Uint8Array(await request.arrayBuffer())
      : await collect(request.body, maxBytes);
  const encodings = encodingsOf(request.headers.get("content-encoding"));
  const reading: BodyReading = { maxBytes, openDecoder };
  const decoded = async () => (encodings.length === 0 ? bytes : decode(bytes, encodings, reading));
  return { bytes, decoded, text: async () => textOf(await decoded()) };
}
