/** A turn whose answer is passed on as it comes, and read along by taps. */
import type { AuthenticatedKey } from "../auth/authenticate.ts";
import type { History } from "../dialects/dialect.ts";
import { ApiError } from "../openai/api-error.ts";
import { messageOf } from "../openai/error-message.ts";
import type { JsonObject } from "../openai/json.ts";
import type { RequestScope, UpstreamRequest, UpstreamResponse } from "../platform.ts";
import type { BodyDigest } from "../record/turn-record.ts";
import { maskOf } from "../secrets/known-secrets.ts";
import { createAnswerReader, type AnswerFacts } from "../stream/answer-reader.ts";
import { relay, type RelayEnd, type RelayTap } from "../stream/relay.ts";
import { encodingsOf } from "../stream/decompress.ts";
import { callUpstream } from "../upstream/call-upstream.ts";
import type { Upstream } from "../upstream/pick-upstream.ts";
import { joinConversation } from "./join-conversation.ts";
import { streamError } from "./rescue.ts";
import type { Turn } from "./turn.ts";
import { useOnce } from "./use-once.ts";
import { writeResponse } from "./write-response.ts";

/** A request that goes through. */
export interface RelayedTurn {
  scope: RequestScope;
  /** The client's HTTP request. */
  request: Request;
  key: AuthenticatedKey;
  turn: Turn;
  upstream: Upstream;
  body: UpstreamRequest["body"];
  /** Headers that replace the client's; an empty value removes one. */
  headers: Record<string, string>;
  /** What is kept of a request's body that is no text: known when it was sent. */
  sentDigest: (() => BodyDigest | Promise<BodyDigest>) | null;
  /** The model that a body named which was not read: known when it was sent. */
  sentModel?: () => string | null;
  /** Whether the answer's text is kept, or its hash and size alone. */
  keepsText: boolean;
  /** Whether a stream of its answers says why it ends: one that just ends was cut. */
  endsWithReason: boolean;
  /** What the record of its round says, a sentence each. */
  notes?: string[];
  /**
   * Looks at the answer before any of it is passed on.
   * @returns what is passed on; or a response, where the request was asked again elsewhere
   */
  look?(answer: UpstreamResponse): Promise<UpstreamResponse | Response>;
  /** Hears of the id that upstream gave to what it answered. */
  onId?(id: string): Promise<void>;
  /** The history in which an earlier turn may have ended, or null. */
  history(): Promise<History | null> | History | null;
}

/** Longest answer that is kept, in bytes. A longer one is kept in part, and marked. */
const MAX_KEPT_BYTES = 8 * 1024 * 1024;

/** An answer that began. */
interface BegunAnswer {
  response: UpstreamResponse;
  /** By the monotonic clock, in milliseconds. */
  askedAt: number;
  firstByteAt: number | null;
}

/** What upstream's answer says of the round, once it has ended. */
function noteRound(
  { scope, request, key, turn, notes = [] }: RelayedTurn,
  { askedAt, firstByteAt }: BegunAnswer,
  facts: AnswerFacts,
  end: RelayedEnd,
): void {
  const { method } = request;
  const { billed, id, usage } = facts;
  const answer = { apiKeyId: key.id, method, id, usage, billed };
  turn.roundEnded({
    round: 1,
    status: end.status,
    ...useOnce(scope, answer),
    timeToFirstTokenMs: firstByteAt === null ? null : Math.round(firstByteAt - askedAt),
    durationMs: Math.round(performance.now() - askedAt),
    finishReason: facts.finishReason,
    error: end.status === "failed" ? end.error : null,
    ...(notes.length === 0 ? {} : { notes }),
  });
}

/** How an answer that passed has ended, by its bytes and by what they say. */
type RelayedEnd =
  | { status: "completed" | "cancelled" }
  | { status: "failed"; error: string; code: string | null };

const UNFINISHED: RelayedEnd = {
  status: "failed",
  error: "The upstream API ended its stream before its answer was complete, without a reason.",
  code: "upstream_invalid_response",
};

/** What an answer that came to its end says of itself. An error inside a stream is one too. */
function saidEnd(
  { endsWithReason }: RelayedTurn,
  { response }: BegunAnswer,
  { error, finishReason, text, truncated }: AnswerFacts,
): RelayedEnd {
  const words = error?.message ?? `The upstream API answered with status ${response.status}.`;
  if (response.status >= 400 || error !== null)
    return { status: "failed", error: words, code: error?.code ?? null };
  const isOpenEnded = !endsWithReason || !isEventStream(response) || truncated;
  const isFinished = finishReason !== null || DONE_LINE.test(text.slice(-TAIL_LENGTH));
  return isOpenEnded || isFinished ? { status: "completed" } : UNFINISHED;
}

/** Ends a turn whose answer has ended, one way or another. */
async function endRelayed(
  parts: RelayedTurn,
  begun: BegunAnswer,
  facts: AnswerFacts,
  end: RelayEnd,
): Promise<void> {
  const { turn, keepsText, sentDigest, sentModel } = parts;
  if (sentDigest !== null) turn.sent(await sentDigest());
  const model = sentModel?.() ?? facts.model;
  if (model !== null) turn.modelSeen(model);
  const contentType = begun.response.headers["content-type"] ?? "";
  const { text, truncated, sha256, bytes } = facts;
  const isKept = keepsText && facts.isText;
  turn.relayed({
    response: isKept ? { contentType, text, truncated } : null,
    ...(isKept || bytes === 0 ? {} : { digest: { sha256, bytes, contentType } }),
  });
  if (end.status === "failed") {
    noteRound(parts, begun, facts, { status: "failed", error: messageOf(end.error), code: null });
    return turn.endedBy(end.error, false, begun.response.status);
  }
  if (facts.id !== null && begun.response.status < 400) await parts.onId?.(facts.id);
  const said = end.status === "cancelled" ? end : saidEnd(parts, begun, facts);
  noteRound(parts, begun, facts, said);
  if (said.status !== "failed") return turn.ended(said);
  await turn.ended({ status: "failed", error: said.error, errorCode: said.code });
}

/**
 * A line that ends a stream of events, and what may follow it. Texts of models have no line ends.
 */
const DONE_LINE = /(?:^|[\r\n])data: ?\[DONE\]\s*$/;
const TAIL_LENGTH = 32;
const CLOSING_BRACKET = 93;

/** The last characters of a chunk, as far as they are ASCII. */
const tailOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes.subarray(-TAIL_LENGTH));

/** Notices the line that ends a stream of events, however it is cut. */
function doneWatcher(): (bytes: Uint8Array) => boolean {
  let tail = "\n";
  return (bytes) => {
    tail = (tail + tailOf(bytes)).slice(-TAIL_LENGTH);
    return bytes.subarray(-TAIL_LENGTH).includes(CLOSING_BRACKET) && DONE_LINE.test(tail);
  };
}

const isEventStream = ({ headers }: UpstreamResponse): boolean =>
  (headers["content-type"] ?? "").toLowerCase().startsWith("text/event-stream");

/** Whether events can be written into it: of compressed bytes nobody knows where one ends. */
const isPlainEventStream = (response: UpstreamResponse): boolean =>
  isEventStream(response) && encodingsOf(response.headers["content-encoding"]).length === 0;

/** Whether an event more can be sent: not where a length was told. */
const takesNotice = (response: UpstreamResponse): boolean =>
  isPlainEventStream(response) && !("content-length" in response.headers);

/** A last event, which is one of its own wherever the event before it was cut. */
function errorNotice(told: JsonObject, last: Uint8Array | null): Uint8Array {
  const isBetween = last === null || /(?:\n\n|\r\r|\r\n\r\n)$/.test(tailOf(last));
  const event = `data: ${JSON.stringify(told)}\n\n`;
  return new TextEncoder().encode(isBetween ? event : `\n\n${event}`);
}

/** The tap that reads along: for figures, words and errors. */
function readingTap(parts: RelayedTurn, begun: BegunAnswer): RelayTap {
  const { headers } = begun.response;
  const { platform } = parts.scope;
  const reader = createAnswerReader({
    contentType: headers["content-type"] ?? "",
    contentEncoding: headers["content-encoding"] ?? "",
    maxKeptBytes: parts.keepsText ? MAX_KEPT_BYTES : 0,
    hash: parts.keepsText ? null : platform.sha256(),
    isFailure: begun.response.status >= 400,
    openDecoder: platform.openDecoder,
  });
  const isDone = isPlainEventStream(begun.response) ? doneWatcher() : () => false;
  let hasEnded = false;
  const finish = async (end: RelayEnd): Promise<void> => {
    if (hasEnded) return;
    hasEnded = true;
    try {
      await endRelayed(parts, begun, await reader.end(), end);
    } catch (error) {
      // Whatever could not be read of the answer: the turn has ended.
      await parts.turn.endedBy(error, false, begun.response.status);
      throw error;
    }
  };
  return {
    onChunk: (bytes) => {
      if (hasEnded) return;
      begun.firstByteAt ??= performance.now();
      parts.turn.firstToken();
      const behind = reader.onChunk(bytes);
      // For clients these words are the end: the record is kept before they see them.
      return isDone(bytes) ? finish({ status: "completed" }) : behind;
    },
    onEnd: finish,
  };
}

/** The body that the client gets, read along. */
async function relayBody(
  parts: RelayedTurn,
  begun: BegunAnswer,
  cancel: AbortController,
): Promise<UpstreamResponse["body"]> {
  const { scope, turn } = parts;
  const { body } = begun.response;
  const taps = [readingTap(parts, begun)];
  if (!(body instanceof ReadableStream)) {
    for (const tap of taps) if (body !== null) await tap.onChunk(body);
    for (const tap of taps) await tap.onEnd({ status: "completed" });
    return body;
  }
  const { readable, done } = relay(body, {
    maxUnreadBytes: scope.platform.maxUnreadBytes,
    cancel,
    breakOff: scope.breakOff,
    failureNotice: (error, last) => {
      const mask = maskOf(scope.platform, parts.key.upstreamApiKey);
      const told = { error: mask.json(streamError(error, scope.platform.logger, turn)) };
      return takesNotice(begun.response) ? errorNotice(told, last) : null;
    },
    taps,
  });
  scope.waitUntil(done);
  return readable;
}

/**
 * Sends a request's body on, and passes the answer on as it comes.
 * @throws ApiError 502 or 504 where no answer came
 */
export async function relayTurn(parts: RelayedTurn): Promise<Response> {
  const { scope, request, turn, upstream, body, headers } = parts;
  const cancel = new AbortController();
  const leave = () => cancel.abort();
  scope.clientGone.addEventListener("abort", leave, { once: true });
  turn.roundBegan(upstream.baseUrl);
  const askedAt = performance.now();
  const call = { upstream, request, body, signal: cancel.signal, headers };
  const answering = callUpstream(scope.platform, call);
  const joining = joinConversation(parts, parts.history);
  // Whatever becomes of it: the error of an answer names its conversation too.
  const [answered] = await Promise.allSettled([answering, joining]);
  if (answered.status === "rejected") throw answered.reason;
  const response = (await parts.look?.(answered.value)) ?? answered.value;
  if (response instanceof Response) return response;
  if (response.status < 200 || response.status > 599)
    throw new ApiError("upstream_invalid", `The upstream API answered with ${response.status}.`);
  turn.answered(response.status);
  const begun: BegunAnswer = { response, askedAt, firstByteAt: null };
  const passed = { ...response, body: await relayBody(parts, begun, cancel) };
  return writeResponse(scope, passed, turn.headers);
}
