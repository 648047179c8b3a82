/** The events of a response in the background, from anywhere on, wherever it is made. */
import {
  firstEvents,
  itemEvents,
  lastEvent,
  type NumberedEvent,
} from "../dialects/responses/replay-events.ts";
import type { Platform } from "../platform.ts";
import type { BackgroundPlace } from "../store/background-responses.ts";
import { describeError } from "../store/describe-error.ts";
import { backgroundRuns } from "./background-runs.ts";
import type { ToldNumbers } from "./background-state.ts";
import { findStored, isUnfinished, toldItems, type StoredBackground } from "./background-stored.ts";

/** How often is looked for more of a response that is made elsewhere. In milliseconds. */
const LOOK_EVERY_MS = 500;

/** What is stored of a response, as the events after one. */
function storedEvents(stored: StoredBackground, after: number): NumberedEvent[] {
  const { row, response } = stored;
  const isStarted = row.status !== "queued";
  const events = [
    ...firstEvents(response, { isStarted, after }),
    ...toldItems(stored).flatMap((item) => itemEvents(item, after)),
  ].toSorted((one, other) => one.sequence - other.sequence);
  if (isUnfinished(row) || row.numbers === null) return events;
  const { end } = JSON.parse(row.numbers) as ToldNumbers;
  return end > after ? [...events, lastEvent(response, end)] : events;
}

const pause = (ms: number, signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    const stop = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      resolve();
    };
    const timer = setTimeout(stop, ms);
    signal.addEventListener("abort", stop);
  });

/** Whose stream it is. */
export interface Following {
  /** Number of the last event that is known; -1: none. */
  after: number;
  /** Fires when nobody reads any more. */
  gone: AbortSignal;
  /** Fires when the server takes no more requests: what is made elsewhere is not waited for. */
  ending: AbortSignal;
}

/** What is stored, or undefined where the database cannot be asked now. */
const findNow = (platform: Platform, place: BackgroundPlace) =>
  findStored(platform, place).catch((error: unknown) => {
    const fields = { response: place.id, error: describeError(error) };
    platform.logger.warn("A response in the background could not be looked up", fields);
    return undefined;
  });

/**
 * The events after one, and those that come, until the response ends. Where it is made in this
 * process they are what its client was told; else they are made of what is stored, round by round.
 */
export async function* followBackground(
  platform: Platform,
  place: BackgroundPlace,
  { after, gone, ending }: Following,
): AsyncGenerator<Uint8Array> {
  const signal = AbortSignal.any([gone, ending]);
  let last = after;
  while (!gone.aborted) {
    const run = backgroundRuns.of(platform.memory).find(place);
    const isKept = run !== undefined && run.log.first <= last + 1;
    if (isKept) {
      yield* run.log.follow(last, gone);
      return;
    }
    const stored = await findNow(platform, place);
    if (stored === undefined) {
      await pause(LOOK_EVERY_MS, signal);
      if (ending.aborted) return;
      continue;
    }
    if (stored === null) return;
    for (const { sequence, bytes } of storedEvents(stored, last)) {
      if (run !== undefined && sequence >= run.log.first) break;
      last = sequence;
      yield bytes;
    }
    if (run !== undefined) last = Math.max(last, run.log.first - 1);
    else if (!isUnfinished(stored.row) || ending.aborted) return;
    else await pause(LOOK_EVERY_MS, signal);
  }
}
