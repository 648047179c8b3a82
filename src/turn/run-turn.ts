/**
 * A turn with tools, from upstream's first answer to the end of the client's: read it from below.
 */
import type {
  ClientAnswer,
  HistoryItem,
  LoopEnd,
  LoopState,
  MergedTurn,
  Round,
} from "../dialects/dialect.ts";
import { runToolLoop } from "../loop/run-tool-loop.ts";
import { refusalInside, UpstreamRefusal } from "../openai/upstream-error.ts";
import { jsonBytes } from "../openai/write-in-slices.ts";
import { maskOf } from "../secrets/known-secrets.ts";
import { openClientStream, type ClientStream } from "../stream/client-stream.ts";
import type { DialectChoice } from "../upstream/choose-dialect.ts";
import { withoutBodyHeaders } from "../upstream/headers.ts";
import { OtherDialect } from "./ask-upstream.ts";
import { joinConversation } from "./join-conversation.ts";
import { keepAlive } from "./keep-alive.ts";
import { openRunning, type RunningTurn, type ToolTurn } from "./open-running.ts";
import type { AskedRound } from "./record-round.ts";
import { salvage, streamError } from "./rescue.ts";
import type { TurnEnd } from "./turn.ts";
import { writeResponse } from "./write-response.ts";

const FIRST_ROUND: LoopState = {
  round: 1,
  appended: [],
  withdrawn: new Set(),
  toolsEnded: false,
};

/** Asks for a round and reads it; what comes of it is the client's the moment it is there. */
export async function askRound(
  parts: ToolTurn,
  running: RunningTurn,
  state: LoopState,
  first: AskedRound | null,
): Promise<Round> {
  const { asker, answer, recorder, request, rounds } = running;
  const { maxBodyBytes } = parts.scope.platform.config;
  // A whole answer of a client of the same dialect is made of the rounds.
  const isForeign = parts.asked.dialect.name !== parts.spoken.name;
  const isHeard = parts.asked.stream || parts.isTold === true || isForeign;
  const round = await recorder.round(state.round, first, async ({ notes, onEvent, onProgress }) => {
    const opened = first?.answer ?? (await asker.ask(state, notes));
    const heard = (event: Parameters<ClientAnswer["take"]>[0]) => {
      onEvent();
      return answer.take(event, state.round);
    };
    const reading = { maxBytes: maxBodyBytes, onEvent: isHeard ? heard : null, onProgress };
    const read = await request.readRound(opened, reading).catch((error: unknown) => {
      const isInside = error instanceof UpstreamRefusal && error.response.status < 400;
      throw isForeign && isInside ? refusalInside(error) : error;
    });
    return { round: read, headers: opened.response.headers };
  });
  rounds.push(round);
  return round;
}

/** What the turn has come to, as the client has it, on record and kept for when it is back. */
export async function settle(
  { translation, history, turn }: ToolTurn,
  { answer }: RunningTurn,
  end: LoopEnd,
): Promise<MergedTurn> {
  const merged = await answer.merge(end);
  turn.produced(merged.message, { round: end.rounds.length, hidden: false });
  turn.looped({ finishReason: merged.finishReason, stopReason: end.stopReason });
  const itemsOf = (items: HistoryItem[]) => translation.toClient(items);
  const rounds = end.rounds.map((round) => ({ ...round, items: itemsOf(round.items) }));
  // Kept before the client sees the end: whoever has an answer can come back with it.
  await history.keep({ ...end, rounds, hidden: itemsOf(end.hidden) }, merged);
  return merged;
}

/** How a turn ended whose answer is complete: some dialects have one for failures. */
export function endOf({ failure }: MergedTurn): TurnEnd {
  if (failure === undefined) return { status: "completed" };
  return { status: "failed", error: failure.message, errorCode: failure.code };
}

/** A turn as it is asked, in whichever dialect, and what it runs on. */
export interface OpenedTurn {
  parts: ToolTurn;
  running: RunningTurn;
}

/** Opens a turn in the dialect in which upstream is asked. */
export function openSpoken(
  asked: ToolTurn,
  signal: AbortSignal,
  client: Pick<ClientStream, "write"> | null,
): OpenedTurn {
  const isForeign = asked.spoken.name !== asked.asked.dialect.name;
  const history = isForeign ? asked.history.foreign() : asked.history;
  asked.turn.restored(history.restored);
  const parts = { ...asked, history };
  return { parts, running: openRunning(parts, signal, client) };
}

/** A turn whose first answer is there. */
interface BegunTurn extends OpenedTurn {
  first: AskedRound;
}

/**
 * Asks for the first round, before the client is given anything of it.
 * @param reopen opens the turn in another dialect, where upstream refused the one before
 */
export async function askFirst(
  opened: OpenedTurn,
  reopen: (choice: DialectChoice) => OpenedTurn,
): Promise<BegunTurn> {
  let begun = opened;
  const first = await opened.running.recorder.first(async (notes) => {
    for (;;) {
      try {
        return await begun.running.asker.ask(FIRST_ROUND, notes);
      } catch (error) {
        if (!(error instanceof OtherDialect)) throw error;
        begun = reopen(error.choice);
      }
    }
  });
  return { ...begun, first };
}

const begin = (
  asked: ToolTurn,
  signal: AbortSignal,
  client: ClientStream | null,
): Promise<BegunTurn> =>
  askFirst(openSpoken(asked, signal, client), (choice) =>
    openSpoken({ ...asked, ...choice }, signal, client),
  );

async function answerWhole(asked: ToolTurn, joining: Promise<void>): Promise<Response> {
  const { scope, turn } = asked;
  const { parts, running, first } = await begin(asked, scope.clientGone, null);
  const end = await runToolLoop({
    ...running.loop,
    ask: async (state) => {
      const round = await askRound(parts, running, state, state.round === 1 ? first : null);
      turn.firstToken();
      return round;
    },
  });
  const merged = await settle(parts, running, end);
  await joining;
  await turn.ended(endOf(merged));
  const body = await jsonBytes(running.answer.whole(merged));
  const { headers } = running.recorder;
  const response = {
    status: 200,
    headers: { ...withoutBodyHeaders(headers), "content-type": "application/json" },
    body,
  };
  return writeResponse(scope, response, turn.headers);
}

/** Runs a turn whose first answer is there, and writes its stream. Ends both, whatever happens. */
async function runStream(
  parts: ToolTurn,
  running: RunningTurn,
  client: ClientStream,
  first: AskedRound,
): Promise<void> {
  const { scope, turn, asked, key } = parts;
  const { answer, recorder, rounds, loop } = running;
  const { noticesLeavingMs } = scope.platform;
  const alive = keepAlive(client, { comment: asked.dialect.keepAlive, noticesLeavingMs });
  try {
    const ask = (state: LoopState) =>
      askRound(parts, running, state, state.round === 1 ? first : null);
    const end = await runToolLoop({ ...loop, ask });
    const merged = await settle(parts, running, end);
    // The record is safe before the client sees the end.
    await turn.ended(endOf(merged));
    await answer.end(merged);
  } catch (error) {
    const { logger } = scope.platform;
    const isCancelled = scope.clientGone.aborted || client.gone.aborted;
    // That a client has left is no fault, whatever it broke off.
    if (!isCancelled) {
      const mask = maskOf(scope.platform, key.upstreamApiKey);
      void client.write(answer.failed(mask.json(streamError(error, logger, turn))));
    }
    const merge = () => answer.mergeBrokenOff(rounds, recorder.soFar());
    const received = salvage(merge, logger, turn);
    if (received !== null)
      turn.produced(received, { round: turn.record.rounds.length, hidden: false });
    await turn.endedBy(error, isCancelled, 200);
  } finally {
    alive.end();
    client.close();
  }
}

async function answerStreamed(begun: ToolTurn, joining: Promise<void>): Promise<Response> {
  const { scope, asked, turn } = begun;
  const client = openClientStream(scope.platform.maxUnreadBytes);
  const signal = AbortSignal.any([scope.clientGone, client.gone]);
  const { parts, running, first } = await begin(begun, signal, client);
  await joining;
  scope.waitUntil(runStream(parts, running, client, first));
  const headers = {
    ...withoutBodyHeaders(first.answer.response.headers),
    ...asked.dialect.streamHeaders,
  };
  return writeResponse(scope, { status: 200, headers, body: client.readable }, turn.headers);
}

/** Puts on record what a turn begins with. Resolves when its conversation is known. */
export function beginTurn(parts: ToolTurn): Promise<void> {
  const { asked, history, offer, turn } = parts;
  turn.requested({ text: asked.text, model: asked.model, streamed: asked.stream });
  turn.offered([...offer.serverTools.keys()], offer.shadowed);
  const sent = async () => history.sent ?? (asked.hasAnswers() ? await asked.hash() : null);
  return joinConversation(parts, sent);
}

/** Runs the tool loop, and answers the way the client asked: streamed or whole. */
export async function runTurn(parts: ToolTurn): Promise<Response> {
  const joining = beginTurn(parts);
  try {
    return await (parts.asked.stream
      ? answerStreamed(parts, joining)
      : answerWhole(parts, joining));
  } catch (error) {
    // Its answer names the conversation too.
    await joining;
    throw error;
  }
}
