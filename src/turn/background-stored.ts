/** Responses in the background as their clients ask for them, wherever they are made. */
import { objectsOf, type JsonObject } from "../openai/json.ts";
import type { Platform } from "../platform.ts";
import {
  cancelBackground,
  findBackground,
  findBackgroundRounds,
  type BackgroundPlace,
  type BackgroundRow,
} from "../store/background-responses.ts";
import { findResponseChain, type ChainedResponse } from "../store/kept-responses.ts";
import { backgroundRuns } from "./background-runs.ts";
import {
  madeSoFar,
  readStates,
  responseIn,
  type RoundState,
  type ToldNumbers,
} from "./background-state.ts";
import type { ToldItem } from "../dialects/responses/replay-events.ts";

const UNFINISHED = new Set<unknown>(["queued", "in_progress"]);

/** Whether a response is not made yet. */
export const isUnfinished = ({ status }: JsonObject | BackgroundRow): boolean =>
  UNFINISHED.has(status);

/** A response as the table has it. */
export interface StoredBackground {
  row: BackgroundRow;
  /** Of its finished rounds; none where it is made. */
  states: RoundState[];
  /** As its client has it. */
  response: JsonObject;
}

/** A response as the table has it, or null. */
export async function findStored(
  { database }: Platform,
  place: BackgroundPlace,
): Promise<StoredBackground | null> {
  const row = await findBackground(database, place);
  if (row === null) return null;
  if (!isUnfinished(row)) return { row, states: [], response: responseIn(row.body) };
  const states = readStates(await findBackgroundRounds(database, place));
  // Who made it hears of that within a second.
  const status = row.isCancelled ? "cancelled" : row.status;
  return { row, states, response: madeSoFar(row.body, status, states) };
}

/** The items of a response that were told of, and their numbers. */
export function toldItems({ row, states, response }: StoredBackground): ToldItem[] {
  const output = objectsOf(response["output"]);
  const shown = states.flatMap((state) => state.shown);
  const numbers =
    row.numbers === null
      ? shown.map((item) => [item.numbers?.added ?? null, item.numbers?.done ?? null] as const)
      : (JSON.parse(row.numbers) as ToldNumbers).items;
  return output.flatMap((item, index) => {
    const [added, done] = numbers[index] ?? [null, null];
    return added === null || done === null ? [] : [{ index, item, numbers: { added, done } }];
  });
}

/** A response in the background, after those that it goes on from; none where there is none. */
export async function findBackgroundChain(
  platform: Platform,
  place: BackgroundPlace,
): Promise<ChainedResponse[]> {
  const stored = await findStored(platform, place);
  if (stored === null) return [];
  const { row, response } = stored;
  const run = backgroundRuns.of(platform.memory).find(place);
  const { previousId, sent, upstreamIds } = row;
  const before =
    previousId === null
      ? []
      : await findResponseChain(platform.database, place.apiKeyId, previousId);
  const own: ChainedResponse = {
    id: place.id,
    input: "[]",
    items: "[]",
    sent,
    body: JSON.stringify(run?.soFar() ?? response),
    upstreamIds: JSON.parse(upstreamIds) as string[],
  };
  return [...before, own];
}

/** How long a response that is cancelled elsewhere is waited for. In milliseconds, both. */
const CANCEL_LIMIT_MS = 3000;
const LOOK_EVERY_MS = 200;

/** Makes a response no more, wherever that is done. Null: there is none. */
export async function stopBackground(
  platform: Platform,
  place: BackgroundPlace,
): Promise<JsonObject | null> {
  const run = backgroundRuns.of(platform.memory).find(place);
  if (run !== undefined) {
    run.stop("cancelled");
    await run.ended;
    return run.soFar();
  }
  await cancelBackground(platform.database, place);
  const until = performance.now() + CANCEL_LIMIT_MS;
  for (;;) {
    const stored = await findStored(platform, place);
    if (stored === null || !isUnfinished(stored.row) || performance.now() > until)
      return stored?.response ?? null;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
