/** A turn with tools, from upstream's first answer to the end of the client's: read it from below. */
import type { AuthenticatedKey } from "../auth/authenticate.ts";
import { translationOf } from "../dialects/translations.ts";
import type {
  ClientAnswer,
  Dialect,
  DialectRequest,
  HistoryItem,
  LoopEnd,
  LoopState,
  MergedTurn,
  OpenAnswer,
  Round,
} from "../dialects/dialect.ts";
import type { KeyLimits } from "../limits/open-limits.ts";
import { runToolLoop, type LoopParts, type RunningCall } from "../loop/run-tool-loop.ts";
import type { HistoryPlace } from "../openai/history-hash.ts";
import type { JsonObject } from "../openai/json.ts";
import type { RequestScope } from "../platform.ts";
import { withoutMedia } from "../record/stored-content.ts";
import { openClientStream, type ClientStream } from "../stream/client-stream.ts";
import { namedEvent } from "../stream/named-event.ts";
import { spellTool, type ToolOffer } from "../tools/resolve-tools.ts";
import { callUpstream } from "../upstream/call-upstream.ts";
import type { Upstream } from "../upstream/pick-upstream.ts";
import { openAsker, type Asker } from "./ask-upstream.ts";
import type { ModelHistory } from "./history.ts";
import { joinConversation } from "./join-conversation.ts";
import { keepAlive } from "./keep-alive.ts";
import { streamError } from "./rescue.ts";
import { roundRecorder, type RoundRecorder } from "./record-round.ts";
import { runTool, runWatchedTool, TOOL_EVENT } from "./run-tool.ts";
import type { Turn } from "./turn.ts";
import { withoutBodyHeaders, writeResponse } from "./write-response.ts";

/** A turn in which the model is offered tools. */
export interface ToolTurn {
  scope: RequestScope;
  /** The client's HTTP request. */
  request: Request;
  key: AuthenticatedKey;
  turn: Turn;
  limits: KeyLimits;
  /** The client's request as it was read, and its history as the model must see it. */
  asked: DialectRequest;
  history: ModelHistory;
  offer: ToolOffer;
  upstream: Upstream;
  /** The dialect in which upstream is asked. */
  spoken: Dialect;
  /** Whether the operator watches: a stream then tells of each tool as it runs. */
  isWatched: boolean;
}

/** Headers of a round: the body is ours, and we have to read the answer. */
const ROUND_HEADERS = {
  "accept-encoding": "identity",
  "content-encoding": "",
  "content-type": "application/json",
};

/** A turn on its way. */
interface RunningTurn {
  asker: Asker;
  answer: ClientAnswer;
  recorder: RoundRecorder;
  loop: Omit<LoopParts, "ask">;
  /** As upstream's dialect has it. */
  request: DialectRequest;
  /** The rounds that ended. */
  rounds: Round[];
}

/** Upstream's first answer, which is there before the client gets its status. */
interface FirstAnswer {
  answer: OpenAnswer;
  /** By the monotonic clock, in milliseconds. */
  askedAt: number;
  notes: string[];
}

const FIRST_ROUND: LoopState = {
  round: 1,
  appended: [],
  withdrawn: new Set(),
  toolsEnded: false,
};

function openRunning(
  parts: ToolTurn,
  signal: AbortSignal,
  client: ClientStream | null,
): RunningTurn {
  const { scope, asked, spoken, history, offer, turn, limits, key, upstream } = parts;
  const { config } = scope.platform;
  const { toUpstream, toClient } = translationOf(asked.dialect, spoken);
  const request = toUpstream(history.request);
  const spellings = [...offer.serverTools].map(
    ([name, tool]) => [name, spellTool(spoken, tool)] as const,
  );
  const offered = new Map(spellings);
  const isServerTool = (name: string) => offered.has(name);
  const encoder = new TextEncoder();
  const asker = openAsker({
    request,
    restoredParts: history.restoredParts,
    requestWithout: (without) => toUpstream(history.requestWithout(without)),
    offered,
    maxBytes: config.maxBodyBytes,
    openDecoder: scope.platform.openDecoder,
    signal,
    media: history.media,
    known: history.known,
    send: (body) => {
      turn.roundBegan(upstream.baseUrl);
      const bytes = encoder.encode(body);
      const call = { upstream, request: parts.request, body: bytes, signal };
      return callUpstream(scope.platform, { ...call, headers: ROUND_HEADERS });
    },
    onMediaRefused: (round) =>
      turn.withdrew((message, shown) => shown === round && asked.dialect.showsMedia(message)),
  });
  const answer = asked.openAnswer({
    write: (bytes) => client?.write(bytes),
    upstream: spoken.name,
    isServerTool,
    onText: () => turn.firstToken(),
  });
  const tell = (event: JsonObject) => void client?.write(namedEvent(TOOL_EVENT, event));
  const run = (call: RunningCall) => {
    const running = { ...call, signal: AbortSignal.any([signal, call.signal]) };
    const isTold = parts.isWatched && client !== null;
    return isTold ? runWatchedTool(parts, running, tell) : runTool(parts, running);
  };
  return {
    asker,
    answer,
    recorder: roundRecorder(turn, { signal, added: [...offered.values()] }),
    request,
    rounds: [],
    loop: {
      isServerTool,
      run,
      tell: spoken.openResults((kind) => history.media.takes(kind)),
      onHidden: async (item, round) => {
        for (const message of toClient([item]))
          turn.produced(await withoutMedia(message), { round, hidden: true });
      },
      limitReached: () => limits.reached(turn.record),
      maxRounds: key.toolMaxRounds ?? config.toolMaxRounds,
      maxTurnMs: config.toolTurnTimeoutMs,
    },
  };
}

/** Asks for a round and reads it; what comes of it is the client's the moment it is there. */
async function askRound(
  parts: ToolTurn,
  running: RunningTurn,
  state: LoopState,
  first: FirstAnswer | null,
): Promise<Round> {
  const { asker, answer, recorder, request, rounds } = running;
  const { maxBodyBytes } = parts.scope.platform.config;
  // A whole answer of a client of the same dialect is made of the rounds.
  const isHeard = parts.asked.stream || parts.asked.dialect !== parts.spoken;
  const round = await recorder.round(state.round, first, async ({ notes, onEvent, onProgress }) => {
    const opened = first?.answer ?? (await asker.ask(state, notes));
    const heard = (event: Parameters<ClientAnswer["take"]>[0]) => {
      onEvent();
      return answer.take(event, state.round);
    };
    const reading = { maxBytes: maxBodyBytes, onEvent: isHeard ? heard : null, onProgress };
    const read = await request.readRound(opened, reading);
    return { round: read, headers: opened.response.headers };
  });
  rounds.push(round);
  return round;
}

/** What the turn has come to, as the client has it, on record and kept for when it is back. */
async function settle(
  { asked, spoken, history, turn }: ToolTurn,
  { answer }: RunningTurn,
  end: LoopEnd,
): Promise<MergedTurn> {
  const { toClient } = translationOf(asked.dialect, spoken);
  const merged = answer.merge(end);
  turn.produced(merged.message, { round: end.rounds.length, hidden: false });
  turn.looped({ finishReason: merged.finishReason, stopReason: end.stopReason });
  const itemsOf = (items: HistoryItem[]) => toClient(items);
  const rounds = end.rounds.map((round) => ({ ...round, items: itemsOf(round.items) }));
  // Kept before the client sees the end: whoever has an answer can come back with it.
  await history.keep({ ...end, rounds, hidden: itemsOf(end.hidden) }, merged.message);
  return merged;
}

const ids = ({ turn }: ToolTurn) => ({ "x-proxy-conversation-id": turn.conversationId });

async function answerWhole(parts: ToolTurn, joining: Promise<void>): Promise<Response> {
  const { scope, turn } = parts;
  const running = openRunning(parts, scope.clientGone, null);
  const end = await runToolLoop({
    ...running.loop,
    ask: async (state) => {
      const round = await askRound(parts, running, state, null);
      turn.firstToken();
      return round;
    },
  });
  const merged = await settle(parts, running, end);
  await joining;
  await turn.ended({ status: "completed" });
  const body = new TextEncoder().encode(JSON.stringify(running.answer.whole(merged)));
  const { headers } = running.recorder;
  const response = {
    status: 200,
    headers: { ...withoutBodyHeaders(headers), "content-type": "application/json" },
    body,
  };
  return writeResponse(scope, response, ids(parts));
}

/** Runs a turn whose first answer is there, and writes its stream. Ends both, whatever happens. */
async function runStream(
  parts: ToolTurn,
  running: RunningTurn,
  client: ClientStream,
  first: FirstAnswer,
): Promise<void> {
  const { scope, turn, asked } = parts;
  const { answer, recorder, rounds, loop } = running;
  const alive = keepAlive(client, asked.dialect.keepAlive);
  try {
    const ask = (state: LoopState) =>
      askRound(parts, running, state, state.round === 1 ? first : null);
    const end = await runToolLoop({ ...loop, ask });
    const merged = await settle(parts, running, end);
    // The record is safe before the client sees the end.
    await turn.ended({ status: "completed" });
    await answer.end(merged);
  } catch (error) {
    const received = answer.mergeBrokenOff(rounds, recorder.soFar());
    turn.produced(received, { round: turn.record.rounds.length, hidden: false });
    const isCancelled = scope.clientGone.aborted || client.gone.aborted;
    if (!isCancelled) {
      const told = streamError(error, scope.platform.logger, turn);
      void client.write(asked.dialect.errorEvent(told));
    }
    await turn.endedBy(error, isCancelled, 200);
  } finally {
    alive.end();
    client.close();
  }
}

async function answerStreamed(parts: ToolTurn, joining: Promise<void>): Promise<Response> {
  const { scope, asked } = parts;
  const client = openClientStream(scope.platform.maxUnreadBytes);
  const signal = AbortSignal.any([scope.clientGone, client.gone]);
  const running = openRunning(parts, signal, client);
  const notes: string[] = [];
  const askedAt = performance.now();
  const answer = await running.asker.ask(FIRST_ROUND, notes);
  await joining;
  scope.waitUntil(runStream(parts, running, client, { answer, askedAt, notes }));
  const headers = {
    ...withoutBodyHeaders(answer.response.headers),
    ...asked.dialect.streamHeaders,
  };
  return writeResponse(scope, { status: 200, headers, body: client.readable }, ids(parts));
}

/** Runs the tool loop, and answers the way the client asked: streamed or whole. */
export async function runTurn(parts: ToolTurn): Promise<Response> {
  const { asked, history, offer, turn } = parts;
  turn.requested({ text: asked.text, model: asked.model, streamed: asked.stream });
  turn.offered([...offer.serverTools.keys()], offer.shadowed);
  turn.restored(history.restored);
  const places = async (): Promise<HistoryPlace[]> =>
    history.places ?? (asked.hasAnswers() ? (await asked.hash()).places : []);
  const joining = joinConversation(parts, places);
  try {
    return await (asked.stream ? answerStreamed(parts, joining) : answerWhole(parts, joining));
  } catch (error) {
    // Its answer names the conversation too.
    await joining;
    throw error;
  }
}
