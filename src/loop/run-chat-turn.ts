import { ApiError } from "../openai/api-error.ts";
import type { ChatRequest } from "../openai/chat-request.ts";
import {
  createChatCollector,
  type CollectedMessage,
  type CollectedPart,
} from "../openai/collect-chat-chunks.ts";
import { messageOf } from "../openai/error-message.ts";
import { objectsOf, type JsonObject } from "../openai/json.ts";
import type { UpstreamResponse } from "../platform.ts";
import type { OpenTurn } from "../record/open-turn.ts";
import type { ClientStream } from "../stream/client-stream.ts";
import { createChunkWriter, dataEvent, KEEP_ALIVE } from "../stream/write-chat-chunks.ts";
import {
  readStreamedRound,
  readWholeRound,
  UpstreamStreamError,
  type WholeRound,
} from "./ask-model.ts";
import { askUpstream } from "./ask-upstream.ts";
import { brokenOffMessage, mergeRounds, readRound, type MergedTurn } from "./chat-dialect.ts";
import type { MediaSupport } from "./media-support.ts";
import { UpstreamRefusal, type OpenAnswer } from "./open-answer.ts";
import {
  runToolLoop,
  type LoopEnd,
  type LoopParts,
  type LoopState,
  type Round,
  type RunningCall,
  type RunResult,
} from "./run-tool-loop.ts";
import { createMediaShow } from "./show-media.ts";

/** A turn with tools, and what it needs of the other stages. */
export interface ChatTurn {
  request: ChatRequest;
  /** JSON text of each server tool by name, in the order in which the model sees them. */
  offered: Map<string, string>;
  maxRounds: number;
  /** How long tools may be called and run, in milliseconds. */
  maxTurnMs: number;
  maxBytes: number;
  /** Fires when the client has gone away. */
  signal: AbortSignal;
  /** Sends a round's body to upstream. */
  send(body: string): Promise<UpstreamResponse>;
  /** Runs a call; never throws. */
  run(call: RunningCall): Promise<RunResult>;
  /** Whether the model is shown images and sounds of tools. */
  media: MediaSupport;
  /**
   * The request's text without what earlier turns showed, for a model that refuses that; null where
   * they showed nothing.
   */
  textWithoutMedia: (() => string) | null;
  /** A hidden message as it goes on record: with hashes in the place of images and sounds. */
  recorded(message: JsonObject): JsonObject | Promise<JsonObject>;
  /** Which limit of the key is used up, or null. */
  limitReached(): Promise<string | null>;
  /**
   * Keeps what the client will not see, so that it can be put back into its history.
   * @param answer as the client sees it
   */
  keepHidden(end: LoopEnd, answer: JsonObject): Promise<void>;
  turn: OpenTurn;
}

const KEEP_ALIVE_MS = 10_000;

/** How a round is read, and what came of it until now. */
interface RoundReading<T> {
  /** When it was asked for, in milliseconds since 1970. */
  askedAt: number;
  read(): Promise<T>;
  /** Null while nothing came. */
  soFar(): CollectedMessage | null;
}

/**
 * Reads one round and keeps its figures, also of one that is broken off. What `read` throws is
 * noted and thrown on.
 */
async function recordedRound<T extends { collected: Round }>(
  chat: ChatTurn,
  state: LoopState,
  { askedAt, read, soFar }: RoundReading<T>,
): Promise<T> {
  const { record } = chat.turn;
  const note = (
    part: Partial<OpenTurn["record"]["rounds"][number]>,
    came: CollectedMessage | null,
  ) => {
    const isCounted = came !== null && came.usage === null;
    record.rounds.push({
      round: state.round,
      status: "completed",
      usage: came?.usage ?? null,
      timeToFirstTokenMs: null,
      finishReason: came?.finishReason ?? null,
      error: null,
      ...(isCounted ? { received: came.message } : {}),
      ...part,
      durationMs: Date.now() - askedAt,
    });
    if (isCounted) record.addedTools ??= [...chat.offered.values()];
  };
  try {
    const result = await read();
    note({}, result.collected);
    return result;
  } catch (error) {
    note(
      chat.signal.aborted ? { status: "cancelled" } : { status: "failed", error: messageOf(error) },
      soFar(),
    );
    throw error;
  }
}

function loopParts(chat: ChatTurn): Omit<LoopParts, "ask" | "whileToolsRun"> {
  return {
    isServerTool: (name) => chat.offered.has(name),
    run: chat.run,
    tell: createMediaShow(chat.media.takes),
    onHidden: async (message, round) => {
      chat.turn.record.produced.push({
        message: await chat.recorded(message),
        round,
        hidden: true,
      });
    },
    limitReached: chat.limitReached,
    maxRounds: chat.maxRounds,
    maxTurnMs: chat.maxTurnMs,
  };
}

function recordEnd(chat: ChatTurn, end: LoopEnd, merged: MergedTurn): void {
  const { record } = chat.turn;
  record.produced.push({ message: merged.message, round: end.rounds.length, hidden: false });
  Object.assign(record, { finishReason: merged.finishReason, loopStopReason: end.stopReason });
}

/**
 * Members of a completion that are one per turn: the first round's, as a stream has to have them.
 */
const ONCE_PER_TURN = ["id", "created", "model", "system_fingerprint"];

function wholeCompletion(answers: WholeRound[], merged: MergedTurn): JsonObject {
  const [first, last] = [answers[0]?.completion ?? {}, answers.at(-1)?.completion ?? {}];
  const { usage: _usage, ...members } = last;
  const choice = objectsOf(last["choices"])[0] ?? {};
  return {
    ...members,
    ...Object.fromEntries(
      ONCE_PER_TURN.filter((name) => name in first).map((name) => [name, first[name]]),
    ),
    choices: [
      {
        ...choice,
        message: merged.message,
        ...(merged.logprobs === null ? {} : { logprobs: merged.logprobs }),
        finish_reason: merged.finishReason,
      },
    ],
    ...(merged.usage === null ? {} : { usage: merged.usage }),
  };
}

/**
 * Runs a turn and gives one completion, whole.
 * @throws UpstreamRefusal where upstream refused a round
 */
export async function runWholeChatTurn(
  chat: ChatTurn,
): Promise<{ completion: JsonObject; headers: Record<string, string> }> {
  const answers: WholeRound[] = [];
  let headers: Record<string, string> = {};
  const read = async (state: LoopState): Promise<{ collected: Round }> => {
    const opened = await askUpstream(chat, state);
    const answer = await readWholeRound(opened, chat.maxBytes);
    headers = opened.response.headers;
    answers.push(answer);
    return { collected: readRound(answer.collected) };
  };
  const end = await runToolLoop({
    ...loopParts(chat),
    whileToolsRun: (work) => work(),
    ask: async (state) => {
      chat.signal.throwIfAborted();
      const { collected } = await recordedRound(chat, state, {
        askedAt: Date.now(),
        read: () => read(state),
        soFar: () => null,
      });
      chat.turn.firstToken();
      return collected;
    },
  });
  const merged = mergeRounds(end, chat.request.wantsJson);
  recordEnd(chat, end, merged);
  await chat.keepHidden(end, merged.message);
  return { headers, completion: wholeCompletion(answers, merged) };
}

/** The first round of a streamed turn. */
export interface FirstAnswer {
  answer: OpenAnswer;
  /** When it was asked for, in milliseconds since 1970. */
  askedAt: number;
}

/** Asks upstream for the first streamed round, before the client gets its status. */
export async function openStreamedTurn(chat: ChatTurn): Promise<FirstAnswer> {
  const askedAt = Date.now();
  const answer = await askUpstream(chat, {
    round: 1,
    appended: [],
    withdrawn: new Set<string>(),
    toolsEnded: false,
  });
  return { answer, askedAt };
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
  if (error instanceof UpstreamRefusal)
    return dataEvent(
      error.error === null
        ? new ApiError("upstream_invalid", error.message).body
        : { error: error.error },
    );
  return dataEvent(
    new ApiError("upstream_unreachable", "The upstream API broke off its answer. Try again.").body,
  );
}

/** The rounds of a streamed turn, as they are asked for and read. */
function streamedRounds(chat: ChatTurn, client: ClientStream, first: FirstAnswer) {
  const writer = createChunkWriter({
    write: client.write,
    model: chat.request.model ?? "",
    isHidden: (name) => chat.offered.has(name),
    includeUsage: chat.request.includeUsage,
    wantsJson: chat.request.wantsJson,
    onText: chat.turn.firstToken,
  });
  const rounds: Round[] = [];
  let current: ReturnType<typeof createChatCollector> | null = null;
  const ask = async (state: LoopState): Promise<Round> => {
    chat.signal.throwIfAborted();
    const collector = createChatCollector();
    current = collector;
    const askedAt = state.round === 1 ? first.askedAt : Date.now();
    let firstTokenMs: number | null = null;
    const onPart = (part: CollectedPart) => {
      firstTokenMs ??= Date.now() - askedAt;
      return writer.forward(part, state.round);
    };
    const read = async () => {
      const answer = state.round === 1 ? first.answer : await askUpstream(chat, state);
      return {
        collected: readRound(
          await readStreamedRound(answer, { collector, maxBytes: chat.maxBytes, onPart }),
        ),
      };
    };
    const { collected } = await recordedRound(chat, state, {
      askedAt,
      read,
      soFar: () => (firstTokenMs === null ? null : collector.result()),
    }).finally(() =>
      Object.assign(chat.turn.record.rounds.at(-1) ?? {}, { timeToFirstTokenMs: firstTokenMs }),
    );
    current = null;
    rounds.push(collected);
    return collected;
  };
  const received = () =>
    brokenOffMessage(rounds, current?.result() ?? null, {
      ...loopParts(chat),
      wantsJson: chat.request.wantsJson,
    });
  return { writer, ask, received };
}

/**
 * Runs a turn whose first round is `first`, and writes its stream. Ends the stream and the record,
 * whatever happens.
 */
export async function runStreamedChatTurn(
  chat: ChatTurn,
  client: ClientStream,
  first: FirstAnswer,
): Promise<void> {
  const { writer, ask, received } = streamedRounds(chat, client, first);
  try {
    const end = await runToolLoop({
      ...loopParts(chat),
      ask,
      whileToolsRun: (work) => keptAlive(client, work),
    });
    const merged = mergeRounds(end, chat.request.wantsJson);
    recordEnd(chat, end, merged);
    // Kept before the client sees the end: whoever has an answer can come back with it, and has a
    // record of it.
    await chat.keepHidden(end, merged.message);
    await chat.turn.end({ status: "completed" });
    await writer.end({ finishReason: merged.finishReason, usage: merged.usage });
  } catch (error) {
    chat.turn.record.produced.push({
      message: received(),
      round: chat.turn.record.rounds.length,
      hidden: false,
    });
    if (chat.signal.aborted) await chat.turn.end({ status: "cancelled" });
    else {
      void client.write(streamErrorEvent(error));
      await chat.turn.end({ status: "failed", error: messageOf(error) });
    }
  }
  client.close();
}
