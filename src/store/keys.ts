import { and, eq, inArray, sql } from "drizzle-orm";
import { v7 as uuidv7 } from "uuid";
import { apiKeys, apiKeyTools, tools } from "../../drizzle/schema.ts";
import { ApiError } from "../openai/api-error.ts";
import {
  differences,
  recordAudit,
  setOrRemoved,
  type AdminWrite,
  type AuditAction,
} from "./audit.ts";
import type { Database, Transaction } from "./database.ts";
import { inTransaction } from "./database-error.ts";
import { findKeyRow, withSpend, type KeyRow, type StoredKey } from "./key-row.ts";
import { isUuid } from "./uuid.ts";

export type { StoredKey } from "./key-row.ts";

/** What the proxy itself writes. */
type OwnColumn =
  | "id"
  | "keyHash"
  | "keyPrefix"
  | "keySuffix"
  | "previousKeyHash"
  | "previousExpiresAt"
  | "lastUsedAt"
  | "createdAt"
  | "updatedAt";

/** What an operator sets: every other column. The upstream key is sealed. */
type KeySettings = Omit<typeof apiKeys.$inferInsert, OwnColumn>;

/** What of a key can be changed. What is undefined stays as it is. */
export type KeyChanges = { [Name in keyof KeySettings]?: KeySettings[Name] | undefined } & {
  toolIds?: string[] | undefined;
};

/** What a secret is recognised by. */
interface KeyIdentity {
  keyHash: string;
  keyPrefix: string;
  keySuffix: string;
}

/** A key to create. */
export type NewKey = KeyChanges & KeyIdentity & { name: string };

/** One key, or null. */
export async function findKey(database: Database, id: string): Promise<StoredKey | null> {
  return shown(database, await findKeyRow(database, id));
}

async function shown(database: Database, row: KeyRow | null): Promise<StoredKey | null> {
  return row === null ? null : ((await withSpend(database, [row]))[0] ?? null);
}

/**
 * Locks the tools until the transaction ends, so that none can be deleted before it is assigned.
 */
async function lockTools(transaction: Transaction, toolIds: string[]): Promise<string[]> {
  const wanted = [...new Set(toolIds.map((id) => id.toLowerCase()))];
  const possible = wanted.filter(isUuid);
  const rows =
    possible.length === 0
      ? []
      : await transaction
          .select({ id: tools.id })
          .from(tools)
          .where(inArray(tools.id, possible))
          .for("key share");
  const known = new Set(rows.map(({ id }) => id));
  const unknown = wanted.filter((id) => !known.has(id));
  if (unknown.length === 0) return wanted;
  throw new ApiError(
    "invalid_value",
    `There ${unknown.length === 1 ? "is no tool" : "are no tools"} with the id ${unknown.join(", ")}.`,
    {
      param: "toolIds",
    },
  );
}

async function replaceTools(
  transaction: Transaction,
  keyId: string,
  toolIds: string[],
): Promise<void> {
  const assigned = await lockTools(transaction, toolIds);
  await transaction.delete(apiKeyTools).where(eq(apiKeyTools.apiKeyId, keyId));
  if (assigned.length > 0)
    await transaction
      .insert(apiKeyTools)
      .values(assigned.map((toolId) => ({ apiKeyId: keyId, toolId })));
}

function mustExist<Row>(row: Row | null): Row {
  if (row === null) throw new Error("A key that was just written is not there");
  return row;
}

/** What of a key is put on record: what the operator sees of it and can change. */
function auditable(
  row: KeyRow,
): Omit<
  KeyRow,
  "updatedAt" | "lastUsedAt" | "hasOpenaiApiKey" | "previousExpiresAt" | "createdAt"
> {
  const {
    updatedAt: _updated,
    lastUsedAt: _used,
    hasOpenaiApiKey: _has,
    previousExpiresAt: _previous,
    createdAt: _created,
    ...rest
  } = row;
  return rest;
}

const secretChange = (openaiApiKey: string | null | undefined) =>
  openaiApiKey === undefined ? {} : { openaiApiKey: setOrRemoved(openaiApiKey) };

/**
 * Stores a new key.
 * @throws ApiError 400 naming the tools that do not exist
 */
export async function createKey(
  { database, clientAddress }: AdminWrite,
  { toolIds = [], ...values }: NewKey,
): Promise<StoredKey> {
  const row = await inTransaction(database, async (transaction) => {
    const id = uuidv7();
    await transaction.insert(apiKeys).values({ ...values, id });
    await replaceTools(transaction, id, toolIds);
    const created = mustExist(await findKeyRow(transaction, id));
    const { id: _id, ...fields } = auditable(created);
    const changes = {
      ...fields,
      ...(typeof values.openaiApiKey === "string" ? secretChange(values.openaiApiKey) : {}),
    };
    await recordAudit(transaction, {
      action: "api_key.create",
      clientAddress,
      target: created,
      changes,
    });
    return created;
  });
  return mustExist(await shown(database, row));
}

/** The key, which nobody else can change before the transaction ends. */
async function lockKey(transaction: Transaction, id: string): Promise<KeyRow | null> {
  const locked = await transaction
    .select({ id: apiKeys.id })
    .from(apiKeys)
    .where(eq(apiKeys.id, id))
    .for("update");
  return locked.length === 0 ? null : findKeyRow(transaction, id);
}

interface KeyUpdate extends KeyChanges {
  id: string;
  action: AuditAction;
}

async function changeKey(
  { database, clientAddress }: AdminWrite,
  { id, action, toolIds, ...changes }: KeyUpdate,
): Promise<KeyRow | null> {
  return inTransaction(database, async (transaction) => {
    const before = await lockKey(transaction, id);
    if (before === null) return null;
    await transaction
      .update(apiKeys)
      .set({ ...changes, updatedAt: sql`now()` })
      .where(eq(apiKeys.id, id));
    if (toolIds !== undefined) await replaceTools(transaction, id, toolIds);
    const after = mustExist(await findKeyRow(transaction, id));
    const hadNone = changes.openaiApiKey === null && !before.hasOpenaiApiKey;
    const changed = {
      ...differences(auditable(before), auditable(after)),
      ...(hadNone ? {} : secretChange(changes.openaiApiKey)),
    };
    if (Object.keys(changed).length > 0)
      await recordAudit(transaction, { action, clientAddress, target: after, changes: changed });
    return after;
  });
}

/**
 * Changes a key, and replaces its tools where `toolIds` is given. Null where there is no such key.
 * @throws ApiError 400 naming the tools that do not exist
 */
export async function updateKey(
  write: AdminWrite,
  id: string,
  changes: KeyChanges,
): Promise<StoredKey | null> {
  return shown(
    write.database,
    await changeKey(write, { ...changes, id, action: "api_key.update" }),
  );
}

/**
 * Gives a key these tools and no others. Null where there is no such key.
 * @throws ApiError 400 naming the tools that do not exist
 */
export async function replaceKeyTools(
  write: AdminWrite,
  id: string,
  toolIds: string[],
): Promise<string[] | null> {
  return (await changeKey(write, { id, toolIds, action: "key_tools.replace" }))?.toolIds ?? null;
}

/** A new secret for a key, and how long the one before it is still accepted. */
export interface Rotation extends KeyIdentity {
  overlapSeconds: number;
}

/**
 * Gives a key a new secret. One that an earlier rotation replaced ends at once: there are never
 * more than two. Null where there is no such key.
 */
export async function rotateKey(
  { database, clientAddress }: AdminWrite,
  id: string,
  rotation: Rotation,
): Promise<StoredKey | null> {
  const { overlapSeconds, ...identity } = rotation;
  const row = await inTransaction(database, async (transaction) => {
    const rotated = await transaction
      .update(apiKeys)
      .set({
        ...identity,
        previousKeyHash: sql`${apiKeys.keyHash}`,
        previousExpiresAt: new Date(Date.now() + overlapSeconds * 1000),
        updatedAt: sql`now()`,
      })
      .where(eq(apiKeys.id, id))
      .returning({ id: apiKeys.id });
    if (rotated.length === 0) return null;
    const after = mustExist(await findKeyRow(transaction, id));
    const { keyPrefix, keySuffix } = identity;
    const changes = { keyPrefix, keySuffix, overlapSeconds };
    await recordAudit(transaction, {
      action: "api_key.rotate",
      clientAddress,
      target: after,
      changes,
    });
    return after;
  });
  return shown(database, row);
}

/** Deletes a key; its conversations stay. False where there is no such key. */
export async function deleteKey(
  { database, clientAddress }: AdminWrite,
  id: string,
): Promise<boolean> {
  return inTransaction(database, async (transaction) => {
    const [target] = await transaction
      .delete(apiKeys)
      .where(eq(apiKeys.id, id))
      .returning({ id: apiKeys.id, name: apiKeys.name });
    if (target === undefined) return false;
    await recordAudit(transaction, { action: "api_key.delete", clientAddress, target });
    return true;
  });
}

/** Which tool of which key. */
export interface Assignment {
  keyId: string;
  toolId: string;
}

const named = { id: apiKeys.id, name: apiKeys.name };

/**
 * Gives a key one more tool; doing so twice changes nothing. Null where the key or the tool does
 * not exist.
 */
export async function assignTool(
  { database, clientAddress }: AdminWrite,
  { keyId, toolId }: Assignment,
): Promise<string[] | null> {
  return inTransaction(database, async (transaction) => {
    const [target] = await transaction
      .select(named)
      .from(apiKeys)
      .where(eq(apiKeys.id, keyId))
      .for("key share");
    const [tool] = await transaction
      .select({ id: tools.id, name: tools.name })
      .from(tools)
      .where(eq(tools.id, toolId))
      .for("key share");
    if (target === undefined || tool === undefined) return null;
    const row = { apiKeyId: target.id, toolId: tool.id };
    const assigned = await transaction
      .insert(apiKeyTools)
      .values(row)
      .onConflictDoNothing()
      .returning();
    const changes = { toolId, toolName: tool.name };
    if (assigned.length > 0)
      await recordAudit(transaction, {
        action: "key_tools.assign",
        clientAddress,
        target,
        changes,
      });
    return mustExist(await findKeyRow(transaction, keyId)).toolIds;
  });
}

/** Takes one tool from a key. False where the key did not have it. */
export async function unassignTool(
  { database, clientAddress }: AdminWrite,
  { keyId, toolId }: Assignment,
): Promise<boolean> {
  return inTransaction(database, async (transaction) => {
    const assignment = and(eq(apiKeyTools.apiKeyId, keyId), eq(apiKeyTools.toolId, toolId));
    const removed = await transaction
      .delete(apiKeyTools)
      .where(assignment)
      .returning({ toolId: apiKeyTools.toolId });
    const [target] = await transaction.select(named).from(apiKeys).where(eq(apiKeys.id, keyId));
    const [tool] = await transaction
      .select({ name: tools.name })
      .from(tools)
      .where(eq(tools.id, toolId));
    if (removed.length === 0 || target === undefined) return false;
    const changes = { toolId, toolName: tool?.name ?? null };
    await recordAudit(transaction, {
      action: "key_tools.unassign",
      clientAddress,
      target,
      changes,
    });
    return true;
  });
}
