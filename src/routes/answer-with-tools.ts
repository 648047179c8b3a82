import { v7 as uuidv7 } from "uuid";
import { forgetKeys, type AuthenticatedKey } from "../auth/authenticate.ts";
import type { KeyLimits } from "../limits/open-limits.ts";
import { UpstreamRefusal } from "../loop/open-answer.ts";
import {
  openStreamedTurn,
  runStreamedChatTurn,
  runWholeChatTurn,
  type ChatTurn,
} from "../loop/run-chat-turn.ts";
import type { RunningCall, RunResult } from "../loop/run-tool-loop.ts";
import { ApiError } from "../openai/api-error.ts";
import type { ChatRequest } from "../openai/chat-request.ts";
import type { RequestScope } from "../platform.ts";
import type { OpenTurn } from "../record/open-turn.ts";
import { withoutMedia } from "../record/stored-content.ts";
import type { JsonObject } from "../openai/json.ts";
import { openClientStream, type ClientStream } from "../stream/client-stream.ts";
import { namedEvent } from "../stream/write-chat-chunks.ts";
import { callWatchedTool } from "../tools/call-watched-tool.ts";
import { spellTool, type ToolOffer } from "../tools/resolve-tools.ts";
import { callUpstream } from "../upstream/call-upstream.ts";
import type { Upstream } from "../upstream/pick-upstream.ts";
import { joinConversation } from "./join-conversation.ts";
import type { ModelHistory } from "./model-history.ts";
import { withoutBodyHeaders, writeResponse } from "./write-response.ts";
import { messageOf } from "../openai/error-message.ts";

interface ToolTurn {
  scope: RequestScope;
  request: Request;
  key: AuthenticatedKey;
  chat: ChatRequest;
  offer: ToolOffer;
  upstream: Upstream;
  turn: OpenTurn;
  history: ModelHistory;
  limits: KeyLimits;
  /** Whether the operator watches: a stream then tells of each tool as it runs. */
  isWatched: boolean;
}

/** How a tool runs, as it is told in a stream that the operator watches. */
const TOOL_EVENT = "proxy.tool_execution";

/** Headers of a round: the body is ours, and we have to read the answer. */
const ROUND_HEADERS = {
  "accept-encoding": "identity",
  "content-encoding": "",
  "content-type": "application/json",
};

/** Runs one call and puts it on record. */
async function runRecorded(parts: ToolTurn, call: RunningCall): Promise<RunResult> {
  const { scope, offer, turn } = parts;
  const tool = offer.owners.get(call.name);
  if (tool === undefined) throw new Error(`No server tool is called ${call.name}`);
  const startedAt = Date.now();
  const running = {
    tool,
    argumentsText: call.arguments,
    owner: turn.record.apiKeyId,
    signal: call.signal,
  };
  const result = await callWatchedTool(scope, running, forgetKeys);
  turn.record.toolExecutions.push({
    id: uuidv7(),
    toolId: tool.id,
    toolName: tool.name,
    type: tool.type,
    toolCallId: call.id,
    round: call.round,
    arguments: call.arguments,
    result: result.error === null ? result.text : null,
    error: scope.clientGone.aborted ? "cancelled" : result.error,
    logs: result.logs,
    startedAt,
    durationMs: Date.now() - startedAt,
  });
  const { text, error, media = [], isBusy } = result;
  return { text, failed: error !== null, media, ...(isBusy === undefined ? {} : { isBusy }) };
}

/** Runs one call and tells the operator of it, where one watches. */
async function runWatched(
  parts: ToolTurn,
  call: RunningCall,
  client: ClientStream,
): Promise<RunResult> {
  const { id, name, arguments: text, round } = call;
  const tell = (more: JsonObject) =>
    void client.write(
      namedEvent(TOOL_EVENT, { type: TOOL_EVENT, id, name, arguments: text, round, ...more }),
    );
  const startedAt = Date.now();
  tell({ status: "running" });
  const result = await runRecorded(parts, call);
  tell({
    status: result.failed ? "failed" : "completed",
    result: result.text,
    durationMs: Date.now() - startedAt,
  });
  return result;
}

/** @param client the stream that is answered with, where it is one */
function chatTurn(parts: ToolTurn, signal: AbortSignal, client: ClientStream | null): ChatTurn {
  const { scope, request, key, chat, offer, upstream, turn, history, limits } = parts;
  const { config } = scope.platform;
  const encoder = new TextEncoder();
  const run = (call: RunningCall) =>
    parts.isWatched && client !== null ? runWatched(parts, call, client) : runRecorded(parts, call);
  return {
    request: { ...chat, text: history.body },
    offered: new Map([...offer.owners].map(([name, tool]) => [name, spellTool(tool)])),
    maxRounds: key.toolMaxRounds ?? config.toolMaxRounds,
    maxTurnMs: config.toolTurnTimeoutMs,
    maxBytes: config.maxBodyBytes,
    signal,
    send: (body) =>
      callUpstream(scope.platform, {
        upstream,
        request,
        body: encoder.encode(body),
        signal,
        headers: ROUND_HEADERS,
      }),
    run: (call) => run({ ...call, signal: AbortSignal.any([signal, call.signal]) }),
    media: history.media,
    textWithoutMedia: history.bodyWithoutMedia,
    recorded: withoutMedia,
    limitReached: () => limits.reached(turn.record),
    keepHidden: history.keep,
    turn,
  };
}

/** Runs the tool loop, and answers the way the client asked: streamed or whole. */
export async function answerWithTools(parts: ToolTurn): Promise<Response> {
  const { chat, offer, turn, history } = parts;
  Object.assign(turn.record, {
    request: chat.text,
    model: chat.model,
    streamed: chat.stream,
    toolsOffered: [...offer.owners.keys()],
    toolsShadowed: offer.shadowed,
    ...(history.restored.length === 0 ? {} : { restored: history.restored }),
  });
  const joining = joinConversation(parts, chat.text, history.places);
  try {
    return await (chat.stream ? answerStreamed(parts, joining) : answerWhole(parts, joining));
  } catch (error) {
    await joining;
    return endWithError(parts, error);
  }
}

async function answerWhole(parts: ToolTurn, joining: Promise<void>): Promise<Response> {
  const { completion, headers } = await runWholeChatTurn(
    chatTurn(parts, parts.scope.clientGone, null),
  );
  await joining;
  await parts.turn.end({ status: "completed" });
  const body = new TextEncoder().encode(JSON.stringify(completion));
  const response = {
    status: 200,
    headers: { ...withoutBodyHeaders(headers), "content-type": "application/json" },
    body,
  };
  return writeResponse(parts.scope, response, {
    "x-proxy-conversation-id": parts.turn.record.conversationId,
  });
}

async function answerStreamed(parts: ToolTurn, joining: Promise<void>): Promise<Response> {
  const { scope, turn } = parts;
  const client = openClientStream(scope.platform.maxUnreadBytes);
  const chat = chatTurn(parts, AbortSignal.any([scope.clientGone, client.gone]), client);
  const first = await openStreamedTurn(chat);
  await joining;
  scope.waitUntil(runStreamedChatTurn(chat, client, first));
  const headers = {
    ...withoutBodyHeaders(first.answer.response.headers),
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
  };
  return writeResponse(
    scope,
    { status: 200, headers, body: client.readable },
    { "x-proxy-conversation-id": turn.record.conversationId },
  );
}

/** An error of upstream keeps its own status and body; any other is ours to render. */
async function endWithError({ scope, turn }: ToolTurn, error: unknown): Promise<Response> {
  const ids = { "x-proxy-conversation-id": turn.record.conversationId };
  if (error instanceof UpstreamRefusal) {
    await turn.end({ status: "failed", httpStatus: error.response.status, error: error.message });
    return writeResponse(scope, error.response, ids);
  }
  const httpStatus = error instanceof ApiError ? error.status : 500;
  await turn.end({
    status: scope.clientGone.aborted ? "cancelled" : "failed",
    httpStatus,
    error: messageOf(error),
  });
  throw error;
}
