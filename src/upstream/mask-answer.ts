/**
 * What upstream says of a request that failed may repeat the credential that it was sent; so may a
 * header of any answer. A good answer passes byte for byte: to read all of it would cost every
 * stream, and who wants to give a credential away can spell it in ways that nobody looks for.
 */
import type { OpenDecoder, UpstreamResponse } from "../platform.ts";
import type { Mask } from "../secrets/mask.ts";
import { decompressed, encodingsOf } from "../stream/decompress.ts";
import { withoutBodyHeaders } from "./headers.ts";

/** How many arguments a call takes at once without trouble. */
const SLICE = 8192;

/** One character for each byte, so that whatever is no text stays as it is. */
function charactersOf(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.byteLength; at += SLICE)
    text += String.fromCharCode(...bytes.subarray(at, at + SLICE));
  return text;
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** Bytes without the secrets; the same where there are none. */
export function maskedBytes<Bytes extends Uint8Array>(
  bytes: Bytes,
  mask: Mask,
): Bytes | Uint8Array<ArrayBuffer> {
  const text = charactersOf(bytes);
  return mask.isIn(text) ? bytesOf(mask.text(text)) : bytes;
}

/** Masks a stream, however what is looked for is cut. */
function maskingStream(mask: Mask): TransformStream<Uint8Array, Uint8Array> {
  let held = "";
  return new TransformStream({
    transform(chunk, controller) {
      const text = mask.text(held + charactersOf(chunk));
      const end = Math.max(0, text.length - mask.longest);
      held = text.slice(end);
      if (end > 0) controller.enqueue(bytesOf(text.slice(0, end)));
    },
    flush(controller) {
      if (held !== "") controller.enqueue(bytesOf(mask.text(held)));
    },
  });
}

function maskedHeaders(headers: Record<string, string>, mask: Mask): Record<string, string> {
  const values = Object.values(headers);
  return values.some((value) => mask.isIn(value)) ? mask.json(headers) : headers;
}

/** The body as a stream that can be read, or null where nobody here can decode it. */
function readable(
  { body, headers }: UpstreamResponse,
  openDecoder: OpenDecoder,
): ReadableStream<Uint8Array> | null {
  const stream =
    body instanceof ReadableStream ? body : new Blob(body === null ? [] : [body]).stream();
  try {
    return decompressed(stream, encodingsOf(headers["content-encoding"]), openDecoder);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

/** An answer without the secrets: its headers, and its body where it is one of a failure. */
export function maskedAnswer(
  response: UpstreamResponse,
  mask: Mask,
  openDecoder: OpenDecoder,
): UpstreamResponse {
  const { status, body } = response;
  const headers = maskedHeaders(response.headers, mask);
  if (status < 400 || body === null) return { ...response, headers };
  const isEncoded = encodingsOf(headers["content-encoding"]).length > 0;
  if (body instanceof Uint8Array && !isEncoded) {
    const masked = maskedBytes(body, mask);
    return {
      ...response,
      headers: masked === body ? headers : withoutBodyHeaders(headers),
      body: masked,
    };
  }
  const stream = readable(response, openDecoder);
  if (stream === null) return { ...response, headers };
  return {
    ...response,
    headers: withoutBodyHeaders(headers),
    body: stream.pipeThrough(maskingStream(mask)),
  };
}
