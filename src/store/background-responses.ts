/**
 * Responses that are made in the background: who makes each, and what of it is done. A process
 * owns what it makes for as long as it renews its lease; nothing is written by who lost it.
 */
import { and, asc, eq, sql } from "drizzle-orm";
import { apiKeys, backgroundResponses, backgroundRounds } from "../../drizzle/schema.ts";
import type { Database } from "./database.ts";

/** A response that nobody makes any more. */
type EndStatus = Exclude<BackgroundRow["status"], "queued" | "in_progress">;

/** A response that is made in the background. Texts are as the schema says. */
export type BackgroundRow = typeof backgroundResponses.$inferSelect;

/** Whose response it is, and which. */
export interface BackgroundPlace {
  apiKeyId: string;
  id: string;
}

/** How long a process may be silent before another makes what it began. In seconds. */
const LEASE_SECONDS = 6;
/** How many expired rows one sweep deletes: few enough to be over at once. */
const SWEEP_ROWS = 500;

const isUnfinished = sql`${backgroundResponses.status} in ('queued', 'in_progress')`;
const leaseEnd = sql`now() + make_interval(secs => ${LEASE_SECONDS})`;

const isThere = ({ apiKeyId, id }: BackgroundPlace) =>
  and(eq(backgroundResponses.apiKeyId, apiKeyId), eq(backgroundResponses.id, id));

/** What a response is begun with. */
export type NewBackground = BackgroundPlace &
  Pick<BackgroundRow, "turnId" | "startedAt" | "previousId" | "request" | "sent" | "body"> & {
    /** The process that makes it; null: the first that has room. */
    owner: string | null;
    expiresAt: Date;
  };

/** Begins a response. A key that is gone begins none. */
export async function beginBackground(database: Database, begun: NewBackground): Promise<void> {
  const { apiKeyId, id, turnId, previousId, request, sent, body, owner } = begun;
  const status = owner === null ? "queued" : "in_progress";
  const leaseUntil = owner === null ? sql`now()` : leaseEnd;
  await database.execute(sql`
    insert into ${backgroundResponses}
      (api_key_id, id, status, turn_id, started_at,
        previous_id, request, sent, body, owner, lease_until, expires_at)
    select ${apiKeys.id}, ${id}, ${status}, ${turnId}::uuid,
      ${begun.startedAt.toISOString()}::timestamptz,
      ${previousId}::text, ${request}, ${sent}, ${body}, ${owner}::uuid, ${leaseUntil},
      ${begun.expiresAt.toISOString()}::timestamptz
    from ${apiKeys} where ${apiKeys.id} = ${apiKeyId}`);
}

/** A response, or null. */
export async function findBackground(
  database: Database,
  place: BackgroundPlace,
): Promise<BackgroundRow | null> {
  const [row] = await database.select().from(backgroundResponses).where(isThere(place));
  return row ?? null;
}

/** The states of its finished rounds, oldest first: JSON texts. */
export async function findBackgroundRounds(
  database: Database,
  { apiKeyId, id }: BackgroundPlace,
): Promise<string[]> {
  const rows = await database
    .select({ state: backgroundRounds.state })
    .from(backgroundRounds)
    .where(and(eq(backgroundRounds.apiKeyId, apiKeyId), eq(backgroundRounds.responseId, id)))
    .orderBy(asc(backgroundRounds.round));
  return rows.map(({ state }) => state);
}

/** What an owner is told when it says that it lives. */
export interface RenewedLease extends BackgroundPlace {
  isCancelled: boolean;
}

/** Renews all leases of a process; what is not among them is not its own any more. */
export async function renewLeases(database: Database, owner: string): Promise<RenewedLease[]> {
  return database
    .update(backgroundResponses)
    .set({ leaseUntil: leaseEnd })
    .where(and(eq(backgroundResponses.owner, owner), isUnfinished))
    .returning({
      apiKeyId: backgroundResponses.apiKeyId,
      id: backgroundResponses.id,
      isCancelled: backgroundResponses.isCancelled,
    });
}

/** A response that its new owner goes on with. */
export interface ClaimedBackground extends BackgroundRow {
  /** Whether somebody had begun it. */
  wasBegun: boolean;
}

/** How much a process takes over. */
interface Claim {
  owner: string;
  most: number;
  /** Keys of which it makes enough already. */
  exceptKeys: string[];
}

/** Takes over what nobody makes: each response by one process, those that wait longest first. */
export async function claimBackground(
  database: Database,
  { owner, most, exceptKeys }: Claim,
): Promise<ClaimedBackground[]> {
  const except = JSON.stringify(exceptKeys);
  const claimed = await database.execute<{ api_key_id: string; id: string; was: string }>(sql`
    with waiting as (
      select api_key_id, id, status from ${backgroundResponses}
      where status in ('queued', 'in_progress') and lease_until < now()
        and (is_cancelled or api_key_id not in (
          select id::uuid from json_array_elements_text(${except}::text::json) id))
      order by lease_until limit ${most} for update skip locked)
    update ${backgroundResponses} response
    set owner = ${owner}::uuid, lease_until = ${leaseEnd},
      status = 'in_progress', attempts = attempts + 1
    from waiting where response.api_key_id = waiting.api_key_id and response.id = waiting.id
    returning response.api_key_id, response.id, waiting.status was`);
  const rows: ClaimedBackground[] = [];
  for (const { api_key_id: apiKeyId, id, was } of claimed) {
    const row = await findBackground(database, { apiKeyId, id });
    if (row !== null) rows.push({ ...row, wasBegun: was === "in_progress" });
  }
  return rows;
}

/** Gives all of a process up to whoever claims it. */
export async function releaseBackground(database: Database, owner: string): Promise<void> {
  await database
    .update(backgroundResponses)
    .set({ owner: null, leaseUntil: sql`now()` })
    .where(and(eq(backgroundResponses.owner, owner), isUnfinished));
}

/** What may be written by the owner alone. */
export interface OwnedPlace extends BackgroundPlace {
  owner: string;
}

const isOwned = (place: OwnedPlace) => {
  const { owner } = backgroundResponses;
  return sql`${isThere(place)} and ${owner} = ${place.owner}::uuid and ${isUnfinished}`;
};

/** Keeps a finished round. False: the response is not the owner's any more. */
export async function keepBackgroundRound(
  database: Database,
  place: OwnedPlace,
  { round, state }: { round: number; state: string },
): Promise<boolean> {
  const rows = await database.execute(sql`
    with mine as (
      update ${backgroundResponses} set attempts = 0, lease_until = ${leaseEnd}
      where ${isOwned(place)}
      returning api_key_id, id),
    kept as (
      insert into ${backgroundRounds} (api_key_id, response_id, round, state)
      select api_key_id, id, ${round}::integer, ${state} from mine
      on conflict (api_key_id, response_id, round) do update set state = excluded.state)
    select 1 from mine`);
  return rows.length > 0;
}

/** How a response ended. */
export interface BackgroundEnd extends Pick<BackgroundRow, "body" | "numbers" | "upstreamIds"> {
  status: EndStatus;
}

/** Keeps the end of a response. False: it is not the owner's any more. */
export async function endBackground(
  database: Database,
  place: OwnedPlace,
  { status, body, numbers, upstreamIds }: BackgroundEnd,
): Promise<boolean> {
  const rows = await database.execute(sql`
    with mine as (
      update ${backgroundResponses}
      set status = ${status}, body = ${body}, numbers = ${numbers}::text,
        upstream_ids = ${upstreamIds}, owner = null, request = ''
      where ${isOwned(place)} returning api_key_id, id),
    gone as (
      delete from ${backgroundRounds} round using mine
      where round.api_key_id = mine.api_key_id and round.response_id = mine.id)
    select 1 from mine`);
  return rows.length > 0;
}

/** Tells whoever makes a response to stop. */
export async function cancelBackground(database: Database, place: BackgroundPlace): Promise<void> {
  await database
    .update(backgroundResponses)
    .set({ isCancelled: true })
    .where(and(isThere(place), isUnfinished));
}

/** Deletes a response, whatever became of it. */
export async function deleteBackground(database: Database, place: BackgroundPlace): Promise<void> {
  await database.delete(backgroundResponses).where(isThere(place));
}

/** Deletes some expired rows. Replicas that sweep at the same time do not wait for one another. */
export async function sweepBackground(database: Database): Promise<void> {
  await database.execute(sql`
    delete from ${backgroundResponses} where ctid = any (array(
      select ctid from ${backgroundResponses} where expires_at < now() and not (${isUnfinished})
      limit ${sql.raw(String(SWEEP_ROWS))} for update skip locked))`);
}
