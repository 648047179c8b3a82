/**
 * What is kept of a turn that is too large to be kept whole: of each long text its beginning. What
 * it used, and the place at which its conversation goes on, are told of the whole.
 */
import { figuresOf } from "../limits/read-figures.ts";
import { usedRounds } from "../limits/turn-use.ts";
import { readChatRequest } from "../openai/chat-request.ts";
import { hashHistory } from "../openai/history-hash.ts";
import { CHARACTERS_PER_UNIT, inSlices, Slice } from "../openai/in-slices.ts";
import { isObject, readKeptJson, type JsonObject } from "../openai/json.ts";
import { isLongerThan, jsonBytes } from "../openai/write-in-slices.ts";
import { visibleAnswer } from "../record/conversation-index.ts";
import { contentOf } from "../record/endpoint-content.ts";
import type { TurnRecord } from "../record/turn-record.ts";

/** Content up to this is kept whole. In characters. */
const MAX_KEPT_LENGTH = 8 * 1024 * 1024;
/** What is kept of each text, in characters: the first of these under which all fits. */
const TEXT_LENGTHS = [65_536, 4096, 512, 64] as const;
/** So many messages at the end keep most: those before are on record with the turns before. */
const NEWEST_MESSAGES = 16;
/** Places at which a turn before may have ended: more than are ever gone back. */
const KEPT_PLACES = 64;
/** What a value's name and signs count as. In characters. */
const VALUE_LENGTH = 16;
/** A longer answer is not looked for in a history. In characters. */
const MAX_ANSWER_LENGTH = 1_048_576;

const DATA_URL = /^data:([\w.+-]*\/?[\w.+-]*)[;,]/;

/** A text of which no more than a beginning is kept, and says so. */
function shortened(text: string, length: number): string {
  if (text.length <= length) return text;
  const media = DATA_URL.exec(text.slice(0, 128));
  if (media !== null) return `[${media[1]} of ${text.length} characters: not kept]`;
  const start = text.slice(0, length).toWellFormed();
  return `${start}… [the first ${length} of ${text.length} characters are kept]`;
}

/** The value with its texts shortened, to be run by `inSlices`. */
function* shortenSteps(value: unknown, length: number, slice: Slice): Generator<void, unknown> {
  if (slice.spend(1)) yield;
  if (typeof value === "string") {
    if (slice.spend(Math.min(length, value.length) / CHARACTERS_PER_UNIT)) yield;
    return shortened(value, length);
  }
  if (Array.isArray(value)) {
    const items: unknown[] = [];
    for (const item of value) items.push(yield* shortenSteps(item, length, slice));
    return items;
  }
  if (!isObject(value)) return value;
  const members: [string, unknown][] = [];
  for (const [name, item] of Object.entries(value))
    members.push([shortened(name, length), yield* shortenSteps(item, length, slice)]);
  return Object.fromEntries(members);
}

const shorten = (value: unknown, length: number) =>
  inSlices(shortenSteps(value, length, new Slice()));

/** How long a value is with its texts shortened to each length, to be run by `inSlices`. */
function* addLengths(value: unknown, sums: number[], slice: Slice): Generator<void, void> {
  if (slice.spend(1)) yield;
  const own = typeof value === "string" ? value.length : 0;
  for (const [index, length] of TEXT_LENGTHS.entries())
    sums[index] = (sums[index] ?? 0) + Math.min(own, length) + VALUE_LENGTH;
  if (typeof value !== "object" || value === null) return;
  for (const item of Object.values(value)) yield* addLengths(item, sums, slice);
}

/** The length to which texts must be shortened so that all fits; null where nothing helps. */
async function fittingLength(value: unknown): Promise<number | null> {
  const sums: number[] = [];
  await inSlices(addLengths(value, sums, new Slice()));
  return TEXT_LENGTHS.find((_length, index) => (sums[index] ?? 0) <= MAX_KEPT_LENGTH) ?? null;
}

async function shortenRequest(body: JsonObject, length: number): Promise<JsonObject> {
  const { messages, ...others } = body;
  const rest = (await shorten(others, length)) as JsonObject;
  if (!Array.isArray(messages)) return { ...rest, messages: await shorten(messages, length) };
  const newest = messages.length - NEWEST_MESSAGES;
  return {
    ...rest,
    messages: [
      ...((await shorten(messages.slice(0, Math.max(0, newest)), length)) as unknown[]),
      ...((await shorten(messages.slice(Math.max(0, newest)), TEXT_LENGTHS[0])) as unknown[]),
    ],
  };
}

/** Where the conversation comes from and goes on: hashes of what is not kept. */
async function placesOf(record: TurnRecord, body: JsonObject): Promise<TurnRecord["placed"]> {
  const request = contentOf(record).hasHistory ? readChatRequest("", body) : null;
  if (request === null) return undefined;
  const { places, lookupAfter } = await hashHistory(request.endUser, request.messages);
  const answer = visibleAnswer(record);
  const isHashed = answer !== undefined && !isLongerThan(answer, MAX_ANSWER_LENGTH);
  return { places: places.slice(-KEPT_PLACES), place: isHashed ? lookupAfter(answer) : null };
}

/** Whether a record is too large to be kept whole. */
export const isTooLarge = ({ request, produced, rounds, toolExecutions }: TurnRecord): boolean =>
  isLongerThan([request, produced, rounds, toolExecutions], MAX_KEPT_LENGTH);

/** The record as it is kept where it is too large. */
export async function keptInPart(record: TurnRecord): Promise<TurnRecord> {
  const { request, produced } = record;
  const body = request === null ? {} : await readKeptJson(request);
  const rounds = usedRounds(record, 0).map(({ received: _received, ...round }) => round);
  const content = { body, produced, toolExecutions: record.toolExecutions };
  const length = isObject(body) ? await fittingLength(content) : null;
  const size = request?.length ?? 0;
  if (length === null || !isObject(body))
    return figuresOf(record, `Its request of ${size} characters is too large to be kept.`);
  const kept = await shortenRequest(body, length);
  const placed = record.placed ?? (await placesOf(record, body));
  return {
    ...record,
    rounds,
    request: request === null ? null : new TextDecoder().decode(await jsonBytes(kept)),
    produced: (await shorten(produced, length)) as TurnRecord["produced"],
    toolExecutions: (await shorten(record.toolExecutions, length)) as TurnRecord["toolExecutions"],
    ...(placed === undefined ? {} : { placed }),
  };
}
