import type { AuthenticatedKey } from "../auth/authenticate.ts";
import { ApiError } from "../openai/api-error.ts";
import { isObject, parseJson } from "../openai/json.ts";
import type { RequestScope, UpstreamResponse } from "../platform.ts";
import type { OpenTurn } from "../record/open-turn.ts";
import { createResponseText } from "../record/response-text.ts";
import type { ReadBody } from "../stream/read-body.ts";
import { relay, type RelayEnd } from "../stream/relay.ts";
import { dataEvent } from "../stream/write-chat-chunks.ts";
import { callUpstream } from "../upstream/call-upstream.ts";
import type { Upstream } from "../upstream/pick-upstream.ts";
import { joinConversation } from "./join-conversation.ts";
import type { ModelHistory } from "./model-history.ts";
import { writeResponse } from "./write-response.ts";
import { messageOf } from "../openai/error-message.ts";

interface UntouchedTurn {
  scope: RequestScope;
  request: Request;
  key: AuthenticatedKey;
  body: ReadBody;
  upstream: Upstream;
  turn: OpenTurn;
  /** Where the key has tools: the history may be one that a client came back with. */
  history: ModelHistory | null;
}

/**
 * The body as it came. Only where the client did not see all of its history, that history as the
 * model must see it.
 */
function sentBody({ body, history }: UntouchedTurn): {
  body: Uint8Array<ArrayBuffer>;
  headers: Record<string, string>;
} {
  // The record reads along, so the answer should not be compressed.
  const headers = { "accept-encoding": "identity" };
  if (history === null || history.restored.length === 0) return { body: body.bytes, headers };
  return {
    body: new TextEncoder().encode(history.body),
    headers: { ...headers, "content-encoding": "" },
  };
}

/** Sends the body as it came, and the answer as it comes, and reads along for the record. */
export async function answerUntouched(parts: UntouchedTurn): Promise<Response> {
  const { scope, request, upstream, turn, history } = parts;
  const cancel = new AbortController();
  scope.clientGone.addEventListener("abort", () => cancel.abort(), { once: true });
  await noteRequest(parts);
  const call = { upstream, request, signal: cancel.signal, ...sentBody(parts) };
  const answering = callUpstream(scope.platform, call);
  const joining = joinConversation(parts, turn.record.request, history?.places ?? null);
  const response = await answering.catch(async (error: unknown) => {
    const failure = error instanceof ApiError ? error : null;
    await turn.end({
      status: scope.clientGone.aborted ? "cancelled" : "failed",
      httpStatus: failure?.status ?? 500,
      error: messageOf(error),
    });
    throw error;
  });
  await joining;
  const ids = { "x-proxy-conversation-id": turn.record.conversationId };
  turn.record.httpStatus = response.status;
  return writeResponse(
    scope,
    { ...response, body: await readAlong({ scope, turn, response, cancel }) },
    ids,
  );
}

/**
 * The request as text. One that cannot be read is upstream's to refuse, and recorded without its
 * content.
 */
async function noteRequest({ turn, body, history }: UntouchedTurn): Promise<void> {
  turn.record.request = await body.text().catch(() => null);
  if (history !== null && history.restored.length > 0) turn.record.restored = history.restored;
}

interface Reading {
  scope: RequestScope;
  turn: OpenTurn;
  response: UpstreamResponse;
  cancel: AbortController;
}

async function readAlong({
  scope,
  turn,
  response,
  cancel,
}: Reading): Promise<UpstreamResponse["body"]> {
  const contentType = response.headers["content-type"] ?? "";
  const kept = createResponseText(response.headers["content-encoding"] ? "" : contentType);
  const end = (status: RelayEnd): void | Promise<void> => {
    turn.record.response = kept.result();
    if (status.status === "completed" && response.status >= 400)
      return turn.end({ status: "failed", error: errorMessage(turn) });
    return turn.end({
      status: status.status,
      error: status.status === "failed" ? messageOf(status.error) : null,
    });
  };
  if (!(response.body instanceof ReadableStream)) {
    if (response.body !== null) kept.add(response.body);
    turn.firstToken();
    await end({ status: "completed" });
    return response.body;
  }
  const isEventStream = contentType.toLowerCase().startsWith("text/event-stream");
  const { readable, done } = relay(response.body, {
    maxUnreadBytes: scope.platform.maxUnreadBytes,
    cancel,
    failureNotice: () =>
      isEventStream
        ? dataEvent(
            new ApiError(
              "upstream_unreachable",
              "The upstream API broke off its answer. Try again.",
            ).body,
          )
        : null,
    tap: {
      onChunk: (bytes) => {
        turn.firstToken();
        kept.add(bytes);
      },
      onEnd: end,
    },
  });
  scope.waitUntil(done);
  return readable;
}

/** What upstream said in its error, for the record. */
function errorMessage({ record }: OpenTurn): string {
  const body = parseJson(record.response?.text ?? "");
  const error = isObject(body) ? body["error"] : undefined;
  return isObject(error) && typeof error["message"] === "string"
    ? error["message"]
    : `The upstream API answered with status ${record.httpStatus}.`;
}
