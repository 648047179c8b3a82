/** A turn whose answer is passed on as it comes, and read along by taps. */
import type { AuthenticatedKey } from "../auth/authenticate.ts";
import { ApiError } from "../openai/api-error.ts";
import type { HistoryPlace } from "../openai/history-hash.ts";
import type { RequestScope, UpstreamRequest, UpstreamResponse } from "../platform.ts";
import type { BodyDigest } from "../record/turn-record.ts";
import { createAnswerReader, type AnswerFacts } from "../stream/answer-reader.ts";
import { relay, type RelayEnd, type RelayTap } from "../stream/relay.ts";
import { callUpstream } from "../upstream/call-upstream.ts";
import type { Upstream } from "../upstream/pick-upstream.ts";
import { joinConversation } from "./join-conversation.ts";
import { streamError } from "./rescue.ts";
import type { Turn } from "./turn.ts";
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
  /** Places in the history at which an earlier turn may have ended. */
  places(): Promise<HistoryPlace[]> | HistoryPlace[];
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
  { turn }: RelayedTurn,
  { askedAt, firstByteAt, response }: BegunAnswer,
  facts: AnswerFacts,
  end: RelayEnd,
): void {
  const isRefused = response.status >= 400;
  const failure = end.status === "failed" ? streamFailure(end.error) : errorWords(facts, response);
  const hasFailed = end.status === "failed" || (end.status === "completed" && isRefused);
  const finished = hasFailed ? "failed" : end.status;
  turn.roundEnded({
    round: 1,
    status: finished,
    usage: facts.usage,
    timeToFirstTokenMs: firstByteAt === null ? null : Math.round(firstByteAt - askedAt),
    durationMs: Math.round(performance.now() - askedAt),
    finishReason: facts.finishReason,
    error: hasFailed ? failure : null,
  });
}

const streamFailure = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

const errorWords = ({ error }: AnswerFacts, { status }: UpstreamResponse): string =>
  error?.message ?? `The upstream API answered with status ${status}.`;

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
  noteRound(parts, begun, facts, end);
  if (end.status === "cancelled") return turn.ended({ status: "cancelled" });
  if (end.status === "failed") return turn.endedBy(end.error, false, begun.response.status);
  // An error that upstream sent inside a stream of status 200 is one too.
  if (begun.response.status < 400 && facts.error === null)
    return turn.ended({ status: "completed" });
  const error = errorWords(facts, begun.response);
  await turn.ended({ status: "failed", error, errorCode: facts.error?.code ?? null });
}

/** A line that ends a stream of events, and what may follow it. Texts of models have no line ends. */
const DONE_LINE = /(?:^|[\r\n])data: ?\[DONE\]\s*$/;
const TAIL_LENGTH = 32;
const CLOSING_BRACKET = 93;

/** Notices the line that ends a stream of events, however it is cut. */
function doneWatcher(): (bytes: Uint8Array) => boolean {
  let tail = "\n";
  return (bytes) => {
    const last = bytes.subarray(-TAIL_LENGTH);
    tail = (tail + String.fromCharCode(...last)).slice(-TAIL_LENGTH);
    return last.includes(CLOSING_BRACKET) && DONE_LINE.test(tail);
  };
}

const isEventStream = ({ headers }: UpstreamResponse): boolean =>
  (headers["content-type"] ?? "").toLowerCase().startsWith("text/event-stream");

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
  const isPlainStream = isEventStream(begun.response) && !headers["content-encoding"];
  const isDone = isPlainStream ? doneWatcher() : () => false;
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
    failureNotice: (error) => {
      const told = { error: streamError(error, scope.platform.logger, turn) };
      if (!isEventStream(begun.response)) return null;
      return new TextEncoder().encode(`data: ${JSON.stringify(told)}\n\n`);
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
  const joining = joinConversation(parts, parts.places);
  // Whatever becomes of it: the error of an answer names its conversation too.
  const [answered] = await Promise.allSettled([answering, joining]);
  if (answered.status === "rejected") throw answered.reason;
  const response = answered.value;
  if (response.status < 200 || response.status > 599)
    throw new ApiError("upstream_invalid", `The upstream API answered with ${response.status}.`);
  turn.answered(response.status);
  const begun: BegunAnswer = { response, askedAt, firstByteAt: null };
  const ids = { "x-proxy-conversation-id": turn.conversationId };
  return writeResponse(scope, { ...response, body: await relayBody(parts, begun, cancel) }, ids);
}
