import type { Decoder, OpenDecoder } from "../platform.ts";
import { decoderOf } from "./decompress.ts";

/** Decodes a body beside its way, fed by hand. */
export interface AlongDecoder {
  /** Never throws, never waits. A promise where so much is undecoded that one should wait. */
  write(bytes: Uint8Array): Promise<void> | void;
  /** Resolves when all that could be decoded has been given to `onBytes`. Never rejects. */
  end(): Promise<void>;
}

/** From here on whoever feeds the decoder is asked to wait. In bytes. */
const ENOUGH_UNDECODED = 1024 * 1024;
/** Beyond this, whoever feeds it does not wait, and nothing more is decoded. In bytes. */
const MAX_UNDECODED = 16 * 1024 * 1024;
/** Nobody has a reason to compress what is compressed. */
const MAX_ENCODINGS = 2;
/** A body of which this much was decoded is a bomb if it has grown by more than this factor. */
const BOMB_BYTES = 16 * 1024 * 1024;
const BOMB_FACTOR = 128;

/**
 * What servers call deflate has zlib's header around it, or has none. The header's low half byte is
 * always 8 (RFC 1950).
 */
function spelledEncoding(encoding: string, firstByte: number): string {
  return encoding === "deflate" && (firstByte & 0x0f) !== 8 ? "deflate-raw" : encoding;
}

/** Decoders one behind the other: the last encoding that was applied is undone first. */
function chain(encodings: string[], firstByte: number, openDecoder?: OpenDecoder): Decoder {
  const [outermost = "", ...others] = encodings.toReversed();
  const first = decoderOf(spelledEncoding(outermost, firstByte), openDecoder);
  const readable = others.reduce<ReadableStream<Uint8Array>>((stream, encoding) => {
    return stream.pipeThrough(decoderOf(encoding, openDecoder));
  }, first.readable);
  return { readable, writable: first.writable };
}

/** A chain that is open. Ends quietly at whatever is wrong with the data. */
class OpenChain {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #reading: Promise<void>;
  #written = 0;
  #undecoded = 0;
  #isOver = false;

  constructor({ readable, writable }: Decoder, onBytes: (bytes: Uint8Array) => void) {
    this.#writer = writable.getWriter();
    this.#reader = readable.getReader();
    // Said by the reader too, who hears it.
    void this.#writer.closed.catch(() => undefined);
    this.#reading = this.#read(onBytes).catch(() => this.#giveUp());
  }

  write(bytes: Uint8Array): Promise<void> | void {
    if (this.#isOver) return;
    this.#written += bytes.byteLength;
    this.#undecoded += bytes.byteLength;
    if (this.#undecoded > MAX_UNDECODED) {
      this.#giveUp();
      return;
    }
    const writing = this.#writer.write(bytes);
    const written = writing.then(
      () => {
        this.#undecoded -= bytes.byteLength;
      },
      () => this.#giveUp(),
    );
    return this.#undecoded > ENOUGH_UNDECODED ? written : undefined;
  }

  async end(): Promise<void> {
    // Not waited for: workerd's own decoders never say that they are closed (seen 2026-11).
    if (!this.#isOver) void this.#writer.close().catch(() => this.#giveUp());
    await this.#reading;
  }

  async #read(onBytes: (bytes: Uint8Array) => void): Promise<void> {
    let decoded = 0;
    for (;;) {
      const { done, value } = await this.#reader.read();
      if (done) return;
      decoded += value.byteLength;
      onBytes(value);
      if (decoded > BOMB_BYTES && decoded > this.#written * BOMB_FACTOR) return this.#giveUp();
    }
  }

  #giveUp(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const reason = new Error("no more is read");
    void this.#writer.abort(reason).catch(() => undefined);
    void this.#reader.cancel(reason).catch(() => undefined);
  }
}

/**
 * Decodes what is written to it. Data that is no such encoding, or is cut short, or grows without
 * measure, is decoded as far as it goes.
 * @param encodings as `encodingsOf` gives them; of what this runtime does not know nothing is decoded
 */
export function createAlongDecoder(
  encodings: string[],
  onBytes: (bytes: Uint8Array) => void,
  openDecoder?: OpenDecoder,
): AlongDecoder {
  let open: OpenChain | null = null;
  let isUnknown = encodings.length > MAX_ENCODINGS;
  const openFor = (firstByte: number): OpenChain | null => {
    try {
      return new OpenChain(chain(encodings, firstByte, openDecoder), onBytes);
    } catch {
      // This runtime does not know the encoding: the bytes pass, and nobody reads them.
      isUnknown = true;
      return null;
    }
  };
  return {
    write: (bytes) => {
      const [firstByte] = bytes;
      if (isUnknown || firstByte === undefined) return;
      open ??= openFor(firstByte);
      return open?.write(bytes);
    },
    end: async () => {
      await open?.end();
    },
  };
}
