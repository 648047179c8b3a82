import { and, eq, inArray, sql } from "drizzle-orm";
import { v7 as uuidv7 } from "uuid";
import { apiKeys, apiKeyTools, tools } from "../../drizzle/schema.ts";
import { ApiError } from "../openai/api-error.ts";
import { isObject, parseJson } from "../openai/json.ts";
import type { Database, Transaction } from "./database.ts";
import { inTransaction } from "./database-error.ts";
import { afterCursor, newestFirst, toPage, type Page, type PageRequest } from "./page.ts";
import type { ResolvedKey, ResolvedTool } from "./resolved-key.ts";
import { isUuid } from "./uuid.ts";

/** A key as the operator sees it: without its hash and without its upstream key. */
export interface StoredKey {
  id: string;
  name: string;
  keyPrefix: string;
  isActive: boolean;
  /** Assigned tools, active or not, oldest first. */
  toolIds: string[];
  expiresAt: Date | null;
  hasOpenaiApiKey: boolean;
  openaiBaseUrl: string | null;
  /** Null: all models. */
  allowedModels: string[] | null;
  /** Whether hidden rounds of earlier turns are put back into the history. */
  toolMemory: boolean;
  /** Rounds with tools in one turn; null: the server's `TOOL_MAX_ROUNDS`. */
  toolMaxRounds: number | null;
  createdAt: Date;
  updatedAt: Date;
}

/** What of a key can be changed. What is undefined stays as it is. */
export interface KeyChanges {
  name?: string | undefined;
  isActive?: boolean | undefined;
  expiresAt?: Date | null | undefined;
  /** Sealed. */
  openaiApiKey?: string | null | undefined;
  openaiBaseUrl?: string | null | undefined;
  allowedModels?: string[] | null | undefined;
  toolMemory?: boolean | undefined;
  toolMaxRounds?: number | null | undefined;
  toolIds?: string[] | undefined;
}

/** A key to create. */
export interface NewKey extends KeyChanges {
  name: string;
  keyHash: string;
  keyPrefix: string;
}

/** As text: arrays arrive differently with each driver and setting. Ids are UUIDs of version 7, so they order by age. */
const assignedTools = sql`(select string_agg(${apiKeyTools.toolId}::text, ',' order by ${apiKeyTools.toolId}) from ${apiKeyTools} where ${apiKeyTools.apiKeyId} = ${apiKeys.id})`;

const STORED_KEY = {
  id: apiKeys.id,
  name: apiKeys.name,
  keyPrefix: apiKeys.keyPrefix,
  isActive: apiKeys.isActive,
  toolIds: assignedTools.mapWith((ids: string) => ids.split(",")) as ReturnType<typeof sql<string[] | null>>,
  expiresAt: apiKeys.expiresAt,
  hasOpenaiApiKey: sql<boolean>`${apiKeys.openaiApiKey} is not null`,
  openaiBaseUrl: apiKeys.openaiBaseUrl,
  allowedModels: apiKeys.allowedModels,
  toolMemory: apiKeys.toolMemory,
  toolMaxRounds: apiKeys.toolMaxRounds,
  createdAt: apiKeys.createdAt,
  updatedAt: apiKeys.updatedAt,
};

const withTools = (row: Omit<StoredKey, "toolIds"> & { toolIds: string[] | null }): StoredKey => ({ ...row, toolIds: row.toolIds ?? [] });

/** One key, or null. */
export async function findKey(database: Database | Transaction, id: string): Promise<StoredKey | null> {
  const [row] = await database.select(STORED_KEY).from(apiKeys).where(eq(apiKeys.id, id));
  return row === undefined ? null : withTools(row);
}

/**
 * Keys, newest first.
 * @throws ApiError 400 for a cursor that is none
 */
export async function listKeys(database: Database, page: PageRequest): Promise<Page<StoredKey>> {
  const query = database.select(STORED_KEY).from(apiKeys).where(afterCursor(apiKeys, page));
  const rows = await query.orderBy(...newestFirst(apiKeys)).limit(page.limit + 1);
  return toPage(rows.map(withTools), page);
}

/** Locks the tools until the transaction ends, so that none can be deleted before it is assigned. */
async function lockTools(transaction: Transaction, toolIds: string[]): Promise<string[]> {
  const wanted = [...new Set(toolIds.map((id) => id.toLowerCase()))];
  const possible = wanted.filter(isUuid);
  const rows =
    possible.length === 0 ? [] : await transaction.select({ id: tools.id }).from(tools).where(inArray(tools.id, possible)).for("key share");
  const known = new Set(rows.map(({ id }) => id));
  const unknown = wanted.filter((id) => !known.has(id));
  if (unknown.length === 0) return wanted;
  throw new ApiError("invalid_value", `There ${unknown.length === 1 ? "is no tool" : "are no tools"} with the id ${unknown.join(", ")}.`, {
    param: "toolIds",
  });
}

async function replaceTools(transaction: Transaction, keyId: string, toolIds: string[]): Promise<void> {
  const assigned = await lockTools(transaction, toolIds);
  await transaction.delete(apiKeyTools).where(eq(apiKeyTools.apiKeyId, keyId));
  if (assigned.length > 0) await transaction.insert(apiKeyTools).values(assigned.map((toolId) => ({ apiKeyId: keyId, toolId })));
}

function mustExist(key: StoredKey | null): StoredKey {
  if (key === null) throw new Error("A key that was just written is not there");
  return key;
}

/**
 * Stores a new key.
 * @throws ApiError 400 naming the tools that do not exist
 */
export async function createKey(database: Database, { toolIds = [], ...values }: NewKey): Promise<StoredKey> {
  const id = uuidv7();
  return inTransaction(database, async (transaction) => {
    await transaction.insert(apiKeys).values({ ...values, id });
    await replaceTools(transaction, id, toolIds);
    return mustExist(await findKey(transaction, id));
  });
}

/**
 * Changes a key, and replaces its tools where `toolIds` is given. Null where there is no such key.
 * @throws ApiError 400 naming the tools that do not exist
 */
export async function updateKey(database: Database, id: string, { toolIds, ...changes }: KeyChanges): Promise<StoredKey | null> {
  return inTransaction(database, async (transaction) => {
    const updated = await transaction
      .update(apiKeys)
      .set({ ...changes, updatedAt: sql`now()` })
      .where(eq(apiKeys.id, id))
      .returning({ id: apiKeys.id });
    if (updated.length === 0) return null;
    if (toolIds !== undefined) await replaceTools(transaction, id, toolIds);
    return findKey(transaction, id);
  });
}

/** Deletes a key; its conversations stay. False where there is no such key. */
export async function deleteKey(database: Database, id: string): Promise<boolean> {
  return (await database.delete(apiKeys).where(eq(apiKeys.id, id)).returning({ id: apiKeys.id })).length > 0;
}

/** Which tool of which key. */
export interface Assignment {
  keyId: string;
  toolId: string;
}

/** Gives a key one more tool; doing so twice changes nothing. Null where the key or the tool does not exist. */
export async function assignTool(database: Database, { keyId, toolId }: Assignment): Promise<StoredKey | null> {
  return inTransaction(database, async (transaction) => {
    const [key] = await transaction.select({ id: apiKeys.id }).from(apiKeys).where(eq(apiKeys.id, keyId)).for("key share");
    const [tool] = await transaction.select({ id: tools.id }).from(tools).where(eq(tools.id, toolId)).for("key share");
    if (key === undefined || tool === undefined) return null;
    await transaction.insert(apiKeyTools).values({ apiKeyId: key.id, toolId: tool.id }).onConflictDoNothing();
    return findKey(transaction, keyId);
  });
}

/** Takes one tool from a key. False where the key did not have it. */
export async function unassignTool(database: Database, { keyId, toolId }: Assignment): Promise<boolean> {
  const assignment = and(eq(apiKeyTools.apiKeyId, keyId), eq(apiKeyTools.toolId, toolId));
  return (await database.delete(apiKeyTools).where(assignment).returning({ toolId: apiKeyTools.toolId })).length > 0;
}

function resolvedTool(row: typeof tools.$inferSelect): ResolvedTool {
  const { id, name, description, type, implementation, mcpServerCommand, mcpServerUrl, mcpToolName, env, timeoutMs } = row;
  const parameters = parseJson(row.parameters);
  return {
    id,
    name,
    description,
    type,
    implementation,
    mcpServerCommand,
    mcpServerUrl,
    mcpToolName,
    env,
    timeoutMs,
    parameters: isObject(parameters) ? parameters : {},
  };
}

/** The key with this hash and its active tools, in one round trip, or null. */
export async function findKeyByHash(database: Database, keyHash: string): Promise<ResolvedKey | null> {
  const rows = await database
    .select({ key: apiKeys, tool: tools })
    .from(apiKeys)
    .leftJoin(apiKeyTools, eq(apiKeyTools.apiKeyId, apiKeys.id))
    .leftJoin(tools, and(eq(tools.id, apiKeyTools.toolId), eq(tools.isActive, true)))
    .where(eq(apiKeys.keyHash, keyHash));
  const key = rows[0]?.key;
  if (key === undefined) return null;
  const { id, name, isActive, expiresAt, openaiApiKey, openaiBaseUrl, allowedModels, toolMemory, toolMaxRounds } = key;
  // Sorted here and not by the database, whose order of letters depends on its locale.
  const active = rows.flatMap(({ tool }) => (tool === null ? [] : [resolvedTool(tool)])).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return { id, name, isActive, expiresAt, openaiApiKey, openaiBaseUrl, allowedModels, toolMemory, toolMaxRounds, tools: active };
}
