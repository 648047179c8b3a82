/**
 * Makes a response in the background: the tool loop, with each finished round kept before the next
 * one begins, so that another process can go on from there.
 */
import type { MergedResponse, ResponsesAnswer } from "../dialects/responses/client-answer.ts";
import type { Round } from "../dialects/dialect.ts";
import { runToolLoop, type FinishedRound } from "../loop/run-tool-loop.ts";
import { isObject, textOf, type JsonObject } from "../openai/json.ts";
import { jsonBytes } from "../openai/write-in-slices.ts";
import type { Platform } from "../platform.ts";
import { maskOf } from "../secrets/known-secrets.ts";
import {
  endBackground,
  keepBackgroundRound,
  type BackgroundEnd,
  type OwnedPlace,
} from "../store/background-responses.ts";
import { describeError } from "../store/describe-error.ts";
import { withinLimit } from "../store/within-limit.ts";
import type { DialectChoice } from "../upstream/choose-dialect.ts";
import { backgroundRuns, type BackgroundRun } from "./background-runs.ts";
import { lengthsOf, progressSince, type RoundState, type ToldNumbers } from "./background-state.ts";
import { EventLog } from "./event-log.ts";
import type { ToolTurn } from "./open-running.ts";
import type { AskedRound } from "./record-round.ts";
import { salvage, streamError } from "./rescue.ts";
import { askFirst, askRound, endOf, openSpoken, settle, type OpenedTurn } from "./run-turn.ts";

/** A response that is to be made here. */
export interface BackgroundTurn {
  place: OwnedPlace;
  /** In seconds since 1970. */
  createdAt: number;
  /** Rounds that were done before. */
  before: RoundState[];
  log: EventLog;
  stopping: AbortController;
  /** The turn, whichever dialect upstream is asked in. */
  asked: ToolTurn;
  /** The same in the dialect in which it is asked now, and what it runs on. */
  opened: OpenedTurn;
}

/** What a response is opened with. */
export interface BackgroundOpening extends Pick<BackgroundTurn, "place" | "before"> {
  parts: ToolTurn;
  /** Null: it begins now. */
  createdAt: number | null;
  /** Number of the event that comes first. */
  firstEvent: number;
}

/** The answer that its client is given. */
export const answerOf = ({ opened }: Pick<BackgroundTurn, "opened">): ResponsesAnswer =>
  opened.running.answer as ResponsesAnswer;

/** Opens what a response is made with; nothing is done yet. */
export function openBackground(opening: BackgroundOpening): BackgroundTurn {
  const { parts, place, before, firstEvent } = opening;
  const log = new EventLog(firstEvent);
  const stopping = new AbortController();
  const scope = { ...parts.scope, clientGone: stopping.signal };
  const asked: ToolTurn = { ...parts, scope, isTold: true };
  const opened = openSpoken(asked, stopping.signal, log);
  const createdAt = opening.createdAt ?? Math.floor(Date.now() / 1000);
  const made = { place, createdAt, before, log, stopping, asked, opened };
  goOn(made, firstEvent);
  return made;
}

/** Goes on after what was done, and told, before. @param sequence number of the next event */
function goOn({ opened, before, createdAt }: BackgroundTurn, sequence: number): void {
  const rounds = before.map(({ finished }) => finished.round);
  opened.running.rounds.push(...rounds);
  const shown = before.flatMap((state) => state.shown);
  const said = before.map((state) => state.said);
  answerOf({ opened }).resume({ createdAt, rounds: said, shown, sequence });
}

/** Asks for its first round, where that was not done before. */
async function askFirstRound(made: Making): Promise<AskedRound | null> {
  if (made.before.length > 0) return null;
  const reopen = (choice: DialectChoice) => {
    const { sequence } = answerOf(made).told();
    made.opened = openSpoken({ ...made.asked, ...choice }, made.stopping.signal, made.log);
    goOn(made, sequence);
    return made.opened;
  };
  return (await askFirst(made.opened, reopen)).first;
}

/** Another process makes the response now, or it is gone. */
class NotOurs extends Error {}

/** After this the database is asked again, and this long it is waited for. In milliseconds. */
const AGAIN_MS = 1000;
const WRITE_LIMIT_MS = 30_000;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Writes what nothing may go on without, however long the database is away.
 * @param write says whether the response is still ours
 * @throws NotOurs
 */
async function mustWrite(
  { asked: parts, stopping }: BackgroundTurn,
  write: () => Promise<boolean>,
): Promise<void> {
  const { logger } = parts.scope.platform;
  for (;;) {
    try {
      if (await withinLimit(write(), WRITE_LIMIT_MS)) return;
    } catch (error) {
      const fields = { turn: parts.turn.id, error: describeError(error) };
      logger.warn("A response in the background waits for the database", fields);
      await pause(AGAIN_MS);
      if (stopping.signal.reason === "elsewhere") throw new NotOurs();
      continue;
    }
    throw new NotOurs();
  }
}

const jsonText = async (value: unknown): Promise<string> =>
  new TextDecoder().decode(await jsonBytes(value));

const maskFor = ({ asked }: BackgroundTurn) =>
  maskOf(asked.scope.platform, asked.key.upstreamApiKey);

/** Keeps each round that another one follows. */
function roundKeeper(made: BackgroundTurn): (finished: FinishedRound) => Promise<void> {
  const { asked, place, before } = made;
  const { record } = asked.turn;
  let round = before.length;
  let since = lengthsOf(record);
  return async (finished) => {
    round++;
    const { parts, running } = made.opened;
    const answer = answerOf(made);
    const { shown, sequence } = answer.told();
    const state: RoundState = {
      finished,
      spoken: parts.spoken.name,
      said: answer.roundsOf(running.rounds).at(-1) ?? { output: [], response: {} },
      shown: shown.filter((item) => item.round === round),
      sequence,
      progress: progressSince(record, since),
    };
    since = lengthsOf(record);
    const text = await jsonText(maskFor(made).json(state));
    const { database } = asked.scope.platform;
    await mustWrite(made, () => keepBackgroundRound(database, place, { round, state: text }));
  };
}

/** The id of a round, as upstream knows it. */
function upstreamIdOf(round: Round): string {
  const response = "response" in round ? round.response : null;
  return isObject(response) ? textOf(response["id"]) : "";
}

/** Keeps what the response has come to. @param end number of the event that it ends with */
async function keepEnd(made: BackgroundTurn, response: JsonObject, end: number): Promise<void> {
  const { asked, place, opened } = made;
  const numbers: ToldNumbers = {
    items: answerOf(made)
      .told()
      .shown.map(({ numbers: its }) => [its?.added ?? null, its?.done ?? null]),
    end,
  };
  const kept: BackgroundEnd = {
    status: response["status"] as BackgroundEnd["status"],
    body: await jsonText(maskFor(made).json(response)),
    numbers: JSON.stringify(numbers),
    upstreamIds: JSON.stringify(opened.running.rounds.map(upstreamIdOf).filter((id) => id !== "")),
  };
  const { database } = asked.scope.platform;
  await mustWrite(made, () => endBackground(database, place, kept));
}

/** What becomes of a response that is being made. */
interface Making extends BackgroundTurn {
  /** It ends: nobody can stop it any more. */
  sayEnding(): void;
  /** It has ended, and is this. */
  became(response: JsonObject): void;
}

/** @param wasBegun whether its client was told before that it is being made */
async function complete(made: Making, wasBegun: boolean): Promise<void> {
  if (!wasBegun) await answerOf(made).start();
  const first = await askFirstRound(made);
  const { parts, running } = made.opened;
  const answer = answerOf(made);
  const end = await runToolLoop({
    ...running.loop,
    before: made.before.map(({ finished }) => finished),
    onRound: roundKeeper(made),
    ask: (state) => askRound(parts, running, state, state.round === 1 ? first : null),
  });
  made.sayEnding();
  const merged = (await settle(parts, running, end)) as MergedResponse;
  await keepEnd(made, merged.response, answer.told().sequence);
  await parts.turn.ended(endOf(merged));
  made.became(merged.response);
  await answer.end(merged);
}

/** The response is broken off: by a failure, or because its client wants it no more. */
async function breakOff(made: Making, error: unknown): Promise<void> {
  const { asked, opened, stopping } = made;
  const { running } = opened;
  const answer = answerOf(made);
  const { turn, scope } = asked;
  const { logger } = scope.platform;
  made.sayEnding();
  const isCancelled = stopping.signal.aborted;
  const told = isCancelled ? null : maskFor(made).json(streamError(error, logger, turn));
  const merge = () => answer.mergeBrokenOff(running.rounds, running.recorder.soFar());
  const received = salvage(merge, logger, turn);
  if (received !== null)
    turn.produced(received, { round: turn.record.rounds.length, hidden: false });
  const response = await answer.breakOff(told);
  made.became(response);
  await keepEnd(made, response, answer.told().sequence - 1);
  await turn.endedBy(error, isCancelled, 200);
}

/** Makes it. Never throws; ends its turn, unless another process makes it now. */
async function make(made: Making, wasBegun: boolean): Promise<void> {
  const { asked: parts, stopping } = made;
  const isElsewhere = (error: unknown) =>
    error instanceof NotOurs || stopping.signal.reason === "elsewhere";
  try {
    await complete(made, wasBegun).catch((error: unknown) => {
      if (!isElsewhere(error)) return breakOff(made, error);
      throw error;
    });
  } catch (error) {
    const { logger } = parts.scope.platform;
    const fields = { turn: parts.turn.id, error: describeError(error) };
    if (isElsewhere(error)) {
      logger.info("A response in the background goes on elsewhere", fields);
      await parts.turn.left();
    } else logger.error("A response in the background could not be ended", fields);
  }
}

/** Begins, or goes on, to make a response. */
export function startBackground(
  platform: Platform,
  made: BackgroundTurn,
  wasBegun: boolean,
): BackgroundRun {
  const { place, log, stopping } = made;
  let final: JsonObject | null = null;
  const became = (response: JsonObject) => void (final = response);
  const { apiKeyId, id } = place;
  const soFar = () => final ?? answerOf(made).soFar("in_progress");
  const run = { apiKeyId, id, log, stopping, soFar };
  return backgroundRuns
    .of(platform.memory)
    .start(platform, run, (sayEnding) =>
      make(Object.assign(made, { sayEnding, became }), wasBegun),
    );
}
