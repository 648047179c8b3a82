/**
 * Reads an answer along while it flows: what it says of itself, its text as far as it is kept, its
 * size and hash. It holds no more than the kept text and a few hundred kilobytes, whatever flows.
 */
import { readErrorWords } from "../openai/error-words.ts";
import { looksLikeEvents } from "../openai/read-events.ts";
import type { IncrementalHash, OpenDecoder } from "../platform.ts";
import { FactsCollector, type PayloadFacts } from "./answer-facts.ts";
import { createAlongDecoder } from "./decode-along.ts";
import { encodingsOf } from "./decompress.ts";
import { DocumentReader, LinesReader, type PayloadReader } from "./read-payloads.ts";

/** What is known of an answer once it has ended, or has been broken off. */
export interface AnswerFacts extends PayloadFacts {
  /** The body's text, decompressed, as far as it is kept. */
  text: string;
  /** Whether more text came than is kept. */
  truncated: boolean;
  /** How many crossed, as they were: compressed, if they were. */
  bytes: number;
  /** Of the bytes as they crossed, in hexadecimal; empty where it was not asked for. */
  sha256: string;
  /** Whether it is text that can be read: JSON, events, plain text. */
  isText: boolean;
}

/** Takes an answer's bytes, and knows its facts at the end. */
export interface AnswerReader {
  /**
   * Takes a chunk. Never throws.
   * @returns where a compressed answer comes faster than it is decoded, a promise that one may wait
   * for before the next chunk; who does not loses its facts
   */
  onChunk(bytes: Uint8Array): Promise<void> | void;
  /** Called once. Never rejects. */
  end(): Promise<AnswerFacts>;
}

/** What kind of answer it is, and what is wanted of it. */
export interface AnswerReaderOptions {
  contentType: string;
  contentEncoding: string;
  /** How much of the text is kept: no more characters than this. */
  maxKeptBytes: number;
  /** Takes the bytes as they cross; null where no digest is wanted. */
  hash: IncrementalHash | null;
  /** Whether its status is 400 or more: then any words in it are an error's. */
  isFailure?: boolean;
  openDecoder?: OpenDecoder;
}

/** So much is collected before it is read. In bytes. */
const BATCH_BYTES = 64 * 1024;
/** How much of a failure's text is searched for words, in characters. */
const MAX_FAILURE_LENGTH = 64 * 1024;

const TEXT_TYPES =
  /^\s*(?:text\/|application\/(?:[\w.+-]*[+-])?(?:json|jsonl|jsonlines|ndjson|json-lines|xml|x-www-form-urlencoded)\b)/i;
const LINES_TYPES = /event-stream|ndjson|jsonl|json-?lines/i;
/** Types that say nothing, or that servers give to whatever they send. */
const VAGUE_TYPES = /^\s*(?:$|application\/octet-stream|binary\/octet-stream)/i;

/** Whether bytes begin like text: no control characters but white space. */
function beginsLikeText(bytes: Uint8Array): boolean {
  const start = bytes.subarray(0, 64);
  return start.every((byte) => byte >= 0x20 || (byte >= 0x09 && byte <= 0x0d));
}

function joined(chunks: Uint8Array[], size: number): Uint8Array {
  const [only] = chunks;
  if (chunks.length === 1 && only !== undefined) return only;
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}

const isHighSurrogate = (code: number) => code >= 0xd800 && code <= 0xdbff;

/** The text so far, up to a length. */
class KeptText {
  readonly #max: number;
  text = "";
  truncated = false;

  constructor(max: number) {
    this.#max = max;
  }

  add(text: string): void {
    if (this.truncated || text === "") return;
    const room = this.#max - this.text.length;
    this.truncated = text.length > room;
    if (!this.truncated) this.text += text;
    else this.text += text.slice(0, isHighSurrogate(text.charCodeAt(room - 1)) ? room - 1 : room);
  }
}

/** Reads plain bytes as text, in batches: a stream's chunks are small, and each call costs. */
class TextBody {
  readonly #contentType: string;
  readonly #kept: KeptText;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #facts = new FactsCollector();
  /** The beginning, for the words of a failure; null where nobody asks for them. */
  #start: KeptText | null;
  #pending: Uint8Array[] = [];
  #size = 0;
  #reader: PayloadReader | null = null;
  isText: boolean | null;

  constructor({ contentType, maxKeptBytes, isFailure }: AnswerReaderOptions) {
    this.#contentType = contentType;
    this.#kept = new KeptText(maxKeptBytes);
    this.#start = isFailure === true ? new KeptText(MAX_FAILURE_LENGTH) : null;
    const isKnown = !VAGUE_TYPES.test(contentType);
    this.isText = isKnown ? TEXT_TYPES.test(contentType) : null;
  }

  result(): Omit<AnswerFacts, "bytes" | "sha256"> {
    const { usage, billed, model, id, finishReason, error } = this.#facts;
    const { text, truncated } = this.#kept;
    // Bytes that nobody could decode are no text, whatever their type says.
    const isText = this.isText === true && this.#reader !== null;
    return { usage, billed, model, id, finishReason, error, text, truncated, isText };
  }

  add(bytes: Uint8Array): void {
    if (this.isText === false || bytes.byteLength === 0) return;
    this.#pending.push(bytes);
    this.#size += bytes.byteLength;
    if (this.#size >= BATCH_BYTES) this.#flush();
  }

  end(): void {
    this.#flush();
    this.#read(this.isText === true ? this.#decoder.decode() : "");
    this.#reader?.end();
    if (this.#start !== null && this.#facts.error === null)
      this.#facts.error = readErrorWords(this.#start.text);
  }

  #flush(): void {
    if (this.#size === 0) return;
    const bytes = joined(this.#pending, this.#size);
    this.#pending = [];
    this.#size = 0;
    this.isText ??= beginsLikeText(bytes);
    if (!this.isText) return;
    for (let start = 0; start < bytes.byteLength; start += BATCH_BYTES) {
      const batch = bytes.subarray(start, start + BATCH_BYTES);
      this.#read(this.#decoder.decode(batch, { stream: true }));
    }
  }

  #read(decoded: string): void {
    if (decoded === "") return;
    const text = this.#reader === null ? decoded.replace(/^\uFEFF/, "") : decoded;
    this.#reader ??= this.#readerFor(text);
    this.#kept.add(text);
    this.#start?.add(text);
    this.#reader.push(text);
  }

  #readerFor(start: string): PayloadReader {
    const isLines = LINES_TYPES.test(this.#contentType) || looksLikeEvents(start);
    return isLines ? new LinesReader(this.#facts) : new DocumentReader(this.#facts);
  }
}

/** Opens a reader for one answer. */
export function createAnswerReader(options: AnswerReaderOptions): AnswerReader {
  const body = new TextBody(options);
  const digest = options.hash;
  const encodings = encodingsOf(options.contentEncoding);
  const decoder =
    encodings.length === 0 || body.isText === false
      ? null
      : createAlongDecoder(encodings, (bytes) => body.add(bytes), options.openDecoder);
  let size = 0;
  return {
    onChunk: (bytes) => {
      size += bytes.byteLength;
      digest?.update(bytes);
      if (decoder !== null) return decoder.write(bytes);
      body.add(bytes);
    },
    end: async () => {
      await decoder?.end();
      body.end();
      return {
        ...body.result(),
        bytes: size,
        sha256: digest?.hex() ?? "",
      };
    },
  };
}
