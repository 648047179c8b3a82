/**
 * Decides which conversation a turn belongs to. What the client was told when its answer began is
 * kept where it can be; where the turn turns out to go on from another conversation, it becomes an
 * alias of that.
 */
import { inArray, sql } from "drizzle-orm";
import { v7 as uuidv7 } from "uuid";
import { conversationAliases, conversations, turns } from "../../drizzle/schema.ts";
import type { ReadTurn } from "../record/turn-rows.ts";
import type { TurnRecord } from "../record/turn-record.ts";
import { lockPlaces } from "./adopt-turns.ts";
import type { Transaction } from "./database.ts";
import { findParents, latestParent, type ParentTurn } from "./find-parents.ts";
import { writtenOnlyTurns } from "./only-turn.ts";
import { ownConversation } from "./uuid.ts";

/** A record and what was read of it. */
export interface TurnToWrite {
  record: TurnRecord;
  read: ReadTurn;
}

/** A turn that has its place. */
export interface AssignedTurn extends TurnToWrite {
  conversationId: string;
  parentTurnId: string | null;
  /** How many of the request's messages are on record already. */
  knownMessages: number;
  /**
   * The last place in its history, where nothing on record ends at it, and how many of its new
   * messages are before that.
   */
  awaited: { place: string; messages: number } | null;
  /** Where it is the first turn of a branch: what that goes on from. */
  branchOf: { turnId: string; conversationId: string } | null;
}

/** What is known of the conversations that a batch names. */
interface Known {
  /** The key that each conversation belongs to: by the database, then by the batch. */
  owners: Map<string, string>;
  aliases: Map<string, string>;
}

async function readKnown(transaction: Transaction, batch: TurnToWrite[]): Promise<Known> {
  const named = [
    ...new Set(
      batch
        .filter(({ record }) => record.isNamed === true)
        .map(({ record }) => record.conversationId),
    ),
  ];
  if (named.length === 0) return { owners: new Map(), aliases: new Map() };
  const aliases = await transaction
    .select()
    .from(conversationAliases)
    .where(inArray(conversationAliases.id, named));
  const ids = [...named, ...aliases.map(({ conversationId }) => conversationId)];
  const rows = await transaction
    .select({ id: conversations.id, apiKeyId: conversations.apiKeyId })
    .from(conversations)
    .where(inArray(conversations.id, ids));
  return {
    owners: new Map(rows.map(({ id, apiKeyId }) => [id, apiKeyId])),
    aliases: new Map(aliases.map(({ id, conversationId }) => [id, conversationId])),
  };
}

/** What a turn calls its conversation: only what a client named may be an alias. */
const calledConversation = ({ record }: TurnToWrite, { aliases }: Known): string =>
  (record.isNamed === true ? aliases.get(record.conversationId) : null) ?? record.conversationId;

/**
 * Who comes first where turns of several keys name one conversation: who did not take the name from
 * its client, because then the proxy made it; else who began first.
 */
function byClaim({ record: one }: TurnToWrite, { record: other }: TurnToWrite): number {
  const isNamed = Number(one.isNamed === true) - Number(other.isNamed === true);
  return isNamed || one.startedAt - other.startedAt || (one.id < other.id ? -1 : 1);
}

/** Gives each conversation that is not on record yet to the first of those who name it. */
function claimConversations(batch: TurnToWrite[], known: Known): void {
  for (const turn of batch.toSorted(byClaim)) {
    const id = calledConversation(turn, known);
    if (!known.owners.has(id)) known.owners.set(id, turn.record.apiKeyId);
  }
}

/**
 * The conversation that a turn was told or that its client named: its own, an alias of its own, or
 * one that is made for it. Never another key's.
 */
function toldConversation(turn: TurnToWrite, known: Known): string {
  const { apiKeyId, conversationId } = turn.record;
  const id = calledConversation(turn, known);
  return known.owners.get(id) === apiKeyId ? id : ownConversation(apiKeyId, conversationId);
}

interface Candidate extends ParentTurn {
  apiKeyId: string;
}

function assign(turn: TurnToWrite, candidates: Candidate[], known: Known): AssignedTurn {
  const { record, read } = turn;
  const own = candidates.filter(({ apiKeyId }) => apiKeyId === record.apiKeyId);
  const id = toldConversation(turn, known);
  const told = record.isNamed === true ? id : null;
  // Where there is a choice, what was found when the answer began stands, so that the client was
  // told the truth.
  const isTold = ({ turnId, conversationId }: ParentTurn) =>
    turnId === record.parentTurnId || conversationId === told;
  const found = latestParent({ places: read.places, isTold }, own);
  const last = read.places.at(-1);
  const knownMessages = found === null ? 0 : found.index + 1;
  const isAwaiting = last !== undefined && last.index !== found?.index;
  const place = {
    parentTurnId: found?.parent.turnId ?? null,
    knownMessages,
    awaited: isAwaiting ? { place: last.lookup, messages: last.index + 1 - knownMessages } : null,
  };
  if (told !== null) {
    const isBranch = found !== null && found.parent.conversationId !== told;
    // What its client named is never merged into something else.
    return {
      ...turn,
      ...place,
      awaited: null,
      conversationId: told,
      branchOf: isBranch ? found.parent : null,
    };
  }
  if (found === null) return { ...turn, ...place, conversationId: id, branchOf: null };
  const { parent } = found;
  if (!parent.isTaken && record.isBranch !== true)
    return { ...turn, ...place, conversationId: parent.conversationId, branchOf: null };
  const conversationId = id === parent.conversationId ? uuidv7() : id;
  return { ...turn, ...place, conversationId, branchOf: parent };
}

/**
 * What a turn and those that go on from one another have in common: where it ends, and where its
 * history ended before.
 */
function sharedPlaces({ record, read }: TurnToWrite): string[] {
  const places = [read.place, read.places.at(-1)?.lookup ?? null];
  return places.filter((place) => place !== null).map((place) => `${record.apiKeyId} ${place}`);
}

async function assignAll(
  transaction: Transaction,
  fresh: TurnToWrite[],
): Promise<{ assigned: AssignedTurn[]; existing: Set<string> }> {
  const places = fresh.flatMap(({ record, read }) =>
    read.places.map(({ lookup }) => ({ apiKeyId: record.apiKeyId, place: lookup })),
  );
  const candidates: Candidate[] = await findParents(transaction, places);
  const known = await readKnown(transaction, fresh);
  const existing = new Set([
    ...candidates.map(({ conversationId }) => conversationId),
    ...known.owners.keys(),
  ]);
  claimConversations(fresh, known);
  const assigned: AssignedTurn[] = [];
  for (const turn of fresh) {
    const placed = assign(turn, candidates, known);
    assigned.push(placed);
    const { record, read } = turn;
    const parent = candidates.find(({ turnId }) => turnId === placed.parentTurnId);
    const isNext = parent?.conversationId === placed.conversationId && placed.awaited === null;
    if (record.status === "completed" && isNext) parent.isTaken = true;
    if (record.isNamed === true) known.owners.set(placed.conversationId, record.apiKeyId);
    const { apiKeyId } = record;
    // A later turn of the same batch may go on from this one.
    if (read.place !== null)
      candidates.unshift({
        turnId: record.id,
        conversationId: placed.conversationId,
        apiKeyId,
        place: read.place,
        isTaken: false,
      });
  }
  return { assigned, existing };
}

/**
 * Keeps conversations from being merged or deleted until the transaction ends. False where one is
 * not there any more.
 */
async function holdConversations(transaction: Transaction, ids: string[]): Promise<boolean> {
  if (ids.length === 0) return true;
  const held = await transaction
    .select({ id: conversations.id })
    .from(conversations)
    .where(inArray(conversations.id, ids))
    .orderBy(conversations.id)
    .for("key share");
  return held.length === ids.length;
}

/** How often a conversation may be merged or deleted while it is being decided on. */
const MAX_ATTEMPTS = 5;

/** Gives each turn of a batch its conversation. Turns that are on record already are left out. */
export async function assignConversations(
  transaction: Transaction,
  batch: TurnToWrite[],
): Promise<AssignedTurn[]> {
  await lockPlaces(transaction, batch.flatMap(sharedPlaces));
  const ids = batch.map(({ record }) => record.id);
  const written = await transaction
    .select({ id: turns.id })
    .from(turns)
    .where(inArray(turns.id, ids));
  const told = await writtenOnlyTurns(
    transaction,
    batch.map(({ record }) => record),
  );
  const isWritten = new Set([...written.map(({ id }) => id), ...told]);
  const fresh = batch.filter(({ record }) => !isWritten.has(record.id));
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const { assigned, existing } = await assignAll(transaction, fresh);
    const needed = new Set(
      assigned.map(({ conversationId }) => conversationId).filter((id) => existing.has(id)),
    );
    if (await holdConversations(transaction, [...needed])) return assigned;
  }
  throw new Error("The conversations of these turns change too fast");
}

/** Keeps what clients were told for conversations that are called otherwise. */
export async function keepAliases(
  transaction: Transaction,
  assigned: AssignedTurn[],
): Promise<void> {
  const aliases = assigned
    .filter(
      ({ record, conversationId }) =>
        record.isNamed !== true && record.conversationId !== conversationId,
    )
    .map(({ record, conversationId }) => ({ id: record.conversationId, conversationId }));
  if (aliases.length === 0) return;
  // Where the told id is a conversation that there is, it needs no alias.
  await transaction.execute(sql`
    insert into ${conversationAliases} (id, conversation_id)
    select id, "conversationId" from json_to_recordset(${JSON.stringify(aliases)}::text::json) alias(id uuid, "conversationId" uuid)
    where not exists (select 1 from ${conversations} where ${conversations.id} = alias.id)
    on conflict do nothing`);
}
