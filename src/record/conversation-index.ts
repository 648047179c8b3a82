/**
 * What this process knows of turns that the next request may go on from, so that it can tell the
 * client at once which conversation it is in. The database knows more, and later:
 * `assignConversations` has the last word.
 */
import { forgetOldest, memorySlot } from "../memory.ts";
import { readChatRequest } from "../openai/chat-request.ts";
import { hashHistory, type History, type HistoryPlace } from "../openai/history-hash.ts";
import { readKeptJson } from "../openai/json.ts";
import type { TurnRecord } from "./turn-record.ts";
import { readAnswers } from "./turn-rows.ts";

/** A turn that ended here. */
export interface EndedTurn {
  turnId: string;
  conversationId: string;
  /** The request that its conversation goes on with, or null. */
  takenBy: string | null;
}

const MAX_PLACES = 50_000;
/** How long a place is not asked for again at which the database knew no turn, in milliseconds. */
const ABSENT_MS = 10_000;
/** Records whose answers were not read yet: many never need to be. */
const MAX_PENDING = 200;
/** Of requests that are going on; one that ended before its history was read stays until then. */
const MAX_HISTORIES = 10_000;
const MAX_PENDING_LENGTH = 8_000_000;

const lengthOf = ({ request, response }: TurnRecord) =>
  (request?.length ?? 0) + (response?.text.length ?? 0);

/** The answer as the client has it in its history. */
export function visibleAnswer(record: TurnRecord): Record<string, unknown> | undefined {
  return (
    readAnswers(record)[0]?.message ?? record.produced.findLast(({ hidden }) => !hidden)?.message
  );
}

type LookupAfter = History["lookupAfter"];

/** A turn that ended, and its history where its request was hashed. */
interface PendingTurn {
  record: TurnRecord;
  lookupAfter: LookupAfter | undefined;
}

/** The history of a request, as far as an answer's place needs it. Null where it is none. */
async function readHistory(record: TurnRecord): Promise<LookupAfter | null> {
  const text = record.request ?? "";
  const request = readChatRequest(text, (await readKeptJson(text)) ?? null);
  if (request === null) return null;
  return (await hashHistory(request.endUser, request.messages)).lookupAfter;
}

/** Conversations whose keys are known. */
const MAX_OWNERS = 20_000;

/** Turns by the places of their answers. */
class ConversationIndex {
  /** Newest first, by key and place. */
  readonly #turns = new Map<string, EndedTurn[]>();
  /** When the database last knew no turn at a place, by key and place; oldest first. */
  readonly #absent = new Map<string, number>();
  /** What requests that are going on have taken, by their ids. */
  readonly #taken = new Map<string, EndedTurn>();
  /** Histories of requests that are going on, by their ids: what was hashed is not hashed again. */
  readonly #histories = new Map<string, LookupAfter>();
  /** The keys of conversations that were named here, by id; oldest first. */
  readonly #owners = new Map<string, string>();
  /** Newest last. */
  #pending: PendingTurn[] = [];
  #pendingLength = 0;

  /**
   * Hears of a conversation that this process gave an id, before its client does. What clients name
   * themselves says nothing: it may be another key's.
   */
  own(apiKeyId: string, conversationId: string): void {
    this.#owners.set(conversationId, apiKeyId);
    forgetOldest(this.#owners, MAX_OWNERS);
  }

  /** Whether a conversation is known to be another key's. */
  isForeign(apiKeyId: string, conversationId: string): boolean {
    return (this.#owners.get(conversationId) ?? apiKeyId) !== apiKeyId;
  }

  /** Hears of the history of a request, which must be noted when it ends. */
  remember(requestId: string, lookupAfter: LookupAfter): void {
    this.#histories.set(requestId, lookupAfter);
    forgetOldest(this.#histories, MAX_HISTORIES);
  }

  /**
   * Hears of a turn that has ended. Its answer is read when a request of its key may go on from it.
   */
  note(record: TurnRecord): void {
    const taken = this.#taken.get(record.id);
    this.#taken.delete(record.id);
    const lookupAfter = this.#histories.get(record.id);
    this.#histories.delete(record.id);
    // A request that did not end well leaves its place to the next one.
    if (taken !== undefined && record.status !== "completed") taken.takenBy = null;
    if (record.status !== "completed" || record.request === null) return;
    this.#pending.push({ record, lookupAfter });
    this.#pendingLength += lengthOf(record);
    while (this.#pending.length > MAX_PENDING || this.#pendingLength > MAX_PENDING_LENGTH) {
      const [oldest] = this.#pending.splice(0, 1);
      if (oldest === undefined) break;
      this.#pendingLength -= lengthOf(oldest.record);
    }
  }

  /**
   * The latest of these places at which a turn of the key ended; of several such turns one that is
   * not taken.
   */
  async find(apiKeyId: string, places: readonly HistoryPlace[]): Promise<EndedTurn | null> {
    await this.#readPending(apiKeyId);
    for (const { lookup } of places.toReversed()) {
      const turns = this.#turns.get(`${apiKeyId} ${lookup}`);
      const turn = turns?.find(({ takenBy }) => takenBy === null) ?? turns?.[0];
      if (turn !== undefined) return turn;
    }
    return null;
  }

  /**
   * Those of the places that the database has to be asked for. Examples in a prompt are the same in
   * each request, and no turn ever ended with them. Where another replica's turn has since: what
   * the client is told becomes an alias.
   */
  unasked(apiKeyId: string, places: readonly HistoryPlace[]): HistoryPlace[] {
    const since = performance.now() - ABSENT_MS;
    return places.filter(
      ({ lookup }) => (this.#absent.get(`${apiKeyId} ${lookup}`) ?? -Infinity) < since,
    );
  }

  /** Hears of places at which the database knows no turn. */
  noteAbsent(apiKeyId: string, places: readonly HistoryPlace[]): void {
    for (const { lookup } of places) {
      const place = `${apiKeyId} ${lookup}`;
      this.#absent.delete(place);
      this.#absent.set(place, performance.now());
    }
    forgetOldest(this.#absent, MAX_PLACES);
  }

  /** Lets a conversation go on with a request, which must be noted when it ends. */
  take(turn: EndedTurn, requestId: string): void {
    turn.takenBy = requestId;
    this.#taken.set(requestId, turn);
  }

  async #readPending(apiKeyId: string): Promise<void> {
    const own = this.#pending.filter(({ record }) => record.apiKeyId === apiKeyId);
    this.#pending = this.#pending.filter(({ record }) => record.apiKeyId !== apiKeyId);
    for (const { record, ...known } of own) {
      this.#pendingLength -= lengthOf(record);
      const answer = visibleAnswer(record);
      const lookupAfter = known.lookupAfter ?? (await readHistory(record));
      if (lookupAfter === null || answer === undefined) continue;
      this.#add(`${apiKeyId} ${lookupAfter(answer)}`, {
        turnId: record.id,
        conversationId: record.conversationId,
        takenBy: null,
      });
    }
  }

  #add(place: string, turn: EndedTurn): void {
    const before = this.#turns.get(place) ?? [];
    this.#turns.delete(place);
    this.#turns.set(place, [turn, ...before].slice(0, 8));
    forgetOldest(this.#turns, MAX_PLACES);
  }
}

/** The index of this process or isolate. */
export const conversationIndex = memorySlot(() => new ConversationIndex());
