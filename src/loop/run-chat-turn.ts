import { ApiError } from "../openai/api-error.ts";
import type { ChatRequest } from "../openai/chat-request.ts";
import type { JsonObject } from "../openai/json.ts";
import type { UpstreamResponse } from "../platform.ts";
import type { OpenTurn } from "../record/open-turn.ts";
import type { ClientStream } from "../stream/client-stream.ts";
import { createChunkWriter, dataEvent, KEEP_ALIVE } from "../stream/write-chat-chunks.ts";
import { checkStream, readStreamedRound, readWholeRound, UpstreamRefusal, UpstreamStreamError, type WholeRound } from "./ask-model.ts";
import { mergeRounds, readRound, roundBody, type MergedTurn } from "./chat-dialect.ts";
import { runToolLoop, type LoopEnd, type LoopState, type Round, type ToolCall } from "./run-tool-loop.ts";
import { messageOf } from "../openai/error-message.ts";

/** A turn with tools, and what it needs of the other stages. */
export interface ChatTurn {
  request: ChatRequest;
  /** JSON text of each server tool by name, in the order in which the model sees them. */
  offered: Map<string, string>;
  maxRounds: number;
  maxBytes: number;
  /** Fires when the client has gone away. */
  signal: AbortSignal;
  /** Sends a round's body to upstream. */
  send(body: string): Promise<UpstreamResponse>;
  /** Runs a call; never throws. */
  run(call: ToolCall, round: number): Promise<{ text: string; failed: boolean }>;
  turn: OpenTurn;
}

const KEEP_ALIVE_MS = 10_000;

/** Sends one round and keeps its figures. `read` gets the response; what it throws is noted and thrown on. */
async function recordedRound<T extends { collected: Round }>(chat: ChatTurn, state: LoopState, read: () => Promise<T>): Promise<T> {
  const startedAt = Date.now();
  const note = (part: Partial<OpenTurn["record"]["rounds"][number]>) =>
    chat.turn.record.rounds.push({
      round: state.round,
      status: "completed",
      usage: null,
      timeToFirstTokenMs: null,
      finishReason: null,
      error: null,
      ...part,
      durationMs: Date.now() - startedAt,
    });
  try {
    const result = await read();
    note({ usage: result.collected.usage, finishReason: result.collected.finishReason });
    return result;
  } catch (error) {
    note(chat.signal.aborted ? { status: "cancelled" } : { status: "failed", error: messageOf(error) });
    throw error;
  }
}

function loopParts(chat: ChatTurn): Pick<Parameters<typeof runToolLoop>[0], "isServerTool" | "run" | "onHidden" | "maxRounds"> {
  return {
    isServerTool: (name) => chat.offered.has(name),
    run: chat.run,
    onHidden: (message, round) => chat.turn.record.produced.push({ message, round, hidden: true }),
    maxRounds: chat.maxRounds,
  };
}

function recordEnd(chat: ChatTurn, end: LoopEnd, merged: MergedTurn): void {
  const { record } = chat.turn;
  record.produced.push({ message: merged.message, round: end.rounds.length, hidden: false });
  Object.assign(record, { usage: merged.usage, finishReason: merged.finishReason, loopStopReason: end.stopReason });
}

/**
 * Runs a turn and gives one completion, whole.
 * @throws UpstreamRefusal where upstream refused a round
 */
export async function runWholeChatTurn(chat: ChatTurn): Promise<{ completion: JsonObject; headers: Record<string, string> }> {
  const answers: WholeRound[] = [];
  let headers: Record<string, string> = {};
  const end = await runToolLoop({
    ...loopParts(chat),
    whileToolsRun: (work) => work(),
    ask: async (state) => {
      chat.signal.throwIfAborted();
      const { collected } = await recordedRound(chat, state, async () => {
        const response = await chat.send(roundBody(chat.request, chat.offered, state));
        const answer = await readWholeRound(response, chat.maxBytes);
        headers = response.headers;
        answers.push(answer);
        return { collected: readRound(answer.collected) };
      });
      chat.turn.firstToken();
      return collected;
    },
  });
  const merged = mergeRounds(end, chat.request.wantsJson);
  recordEnd(chat, end, merged);
  const [first, last] = [answers[0]?.completion ?? {}, answers.at(-1)?.completion ?? {}];
  const oncePerTurn = Object.fromEntries(
    ["id", "created", "model", "system_fingerprint"].filter((name) => name in first).map((name) => [name, first[name]]),
  );
  const choice = Array.isArray(last["choices"]) ? (last["choices"][0] as JsonObject) : {};
  return {
    headers,
    completion: {
      ...last,
      ...oncePerTurn,
      choices: [{ ...choice, message: merged.message, finish_reason: merged.finishReason }],
      ...(merged.usage === null ? {} : { usage: merged.usage }),
    },
  };
}

/** Asks upstream for the first streamed round, before the client gets its status. */
export async function openStreamedTurn(chat: ChatTurn): Promise<UpstreamResponse> {
  const state = { round: 1, appended: [], withdrawn: new Set<string>(), toolsEnded: false };
  return checkStream(await chat.send(roundBody(chat.request, chat.offered, state)), chat.maxBytes);
}

/** Sends a comment at each event boundary of a quiet time. */
async function keptAlive<T>(client: ClientStream, work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => void client.write(KEEP_ALIVE), KEEP_ALIVE_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** The error event that ends a stream: upstream's own error where there is one. */
function streamErrorEvent(error: unknown): Uint8Array {
  if (error instanceof UpstreamStreamError) return dataEvent({ error: error.error });
  if (error instanceof ApiError) return dataEvent(error.body);
  if (error instanceof UpstreamRefusal) return dataEvent(new ApiError("upstream_invalid", error.message).body);
  return dataEvent(new ApiError("upstream_unreachable", "The upstream API broke off its answer. Try again.").body);
}

/** Runs a turn whose first round is `first`, and writes its stream. Ends the stream and the record, whatever happens. */
export async function runStreamedChatTurn(chat: ChatTurn, client: ClientStream, first: UpstreamResponse): Promise<void> {
  const writer = createChunkWriter({
    write: client.write,
    includeUsage: chat.request.includeUsage,
    wantsJson: chat.request.wantsJson,
    onText: chat.turn.firstToken,
  });
  const ask = async (state: LoopState): Promise<Round> => {
    chat.signal.throwIfAborted();
    const startedAt = Date.now();
    let firstTokenMs: number | null = null;
    const { collected } = await recordedRound(chat, state, async () => {
      const response =
        state.round === 1 ? first : await checkStream(await chat.send(roundBody(chat.request, chat.offered, state)), chat.maxBytes);
      const onChunk = (chunk: JsonObject) => {
        firstTokenMs ??= Date.now() - startedAt;
        return writer.forward(chunk, state.round);
      };
      return { collected: readRound(await readStreamedRound(response, { maxBytes: chat.maxBytes, onChunk })) };
    });
    Object.assign(chat.turn.record.rounds.at(-1) ?? {}, { timeToFirstTokenMs: firstTokenMs });
    return collected;
  };
  try {
    const end = await runToolLoop({ ...loopParts(chat), ask, whileToolsRun: (work) => keptAlive(client, work) });
    const merged = mergeRounds(end, chat.request.wantsJson);
    recordEnd(chat, end, merged);
    // Kept before the client sees the end: whoever has an answer has a record of it.
    await chat.turn.end({ status: "completed" });
    await writer.end({
      finishReason: merged.finishReason,
      calls: (merged.message["tool_calls"] ?? []) as JsonObject[],
      usage: merged.usage,
    });
  } catch (error) {
    if (chat.signal.aborted) await chat.turn.end({ status: "cancelled" });
    else {
      void client.write(streamErrorEvent(error));
      await chat.turn.end({ status: "failed", error: messageOf(error) });
    }
  }
  client.close();
}
