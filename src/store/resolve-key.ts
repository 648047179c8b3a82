import { and, eq, isNull, or, type SQL } from "drizzle-orm";
import { apiKeys, apiKeyTools, tools } from "../../drizzle/schema.ts";
import { isObject, parseJson } from "../openai/json.ts";
import type { Database } from "./database.ts";
import type { ResolvedKey, ResolvedTool } from "./resolved-key.ts";

function resolvedTool(row: typeof tools.$inferSelect): ResolvedTool {
  const { isActive: _active, createdAt: _created, updatedAt: _updated, ...rest } = row;
  const {
    mcpApproved: _approved,
    mcpChanged: _changed,
    mcpChangedAt: _changedAt,
    onMcpChange: _policy,
    ...tool
  } = rest;
  const parameters = parseJson(row.parameters);
  return { ...tool, parameters: isObject(parameters) ? parameters : {} };
}

/** Sorted here and not by the database, whose order of letters depends on its locale. */
const byName = (rows: { tool: typeof tools.$inferSelect | null }[]): ResolvedTool[] =>
  rows
    .flatMap(({ tool }) => (tool === null ? [] : [resolvedTool(tool)]))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));

/**
 * A tool of the key that is on: not one that waits for the operator because its server changed it,
 * where that turns it off.
 */
const isOffered = and(
  eq(tools.id, apiKeyTools.toolId),
  eq(tools.isActive, true),
  or(eq(tools.onMcpChange, "keep"), isNull(tools.mcpChanged)),
);

/** @param keyHash by which it is asked for; null: its own */
async function resolveKey(
  database: Database,
  isIt: SQL | undefined,
  keyHash: string | null,
): Promise<ResolvedKey | null> {
  const rows = await database
    .select({ key: apiKeys, tool: tools })
    .from(apiKeys)
    .leftJoin(apiKeyTools, eq(apiKeyTools.apiKeyId, apiKeys.id))
    .leftJoin(tools, isOffered)
    .where(isIt);
  const key = rows[0]?.key;
  if (key === undefined) return null;
  const {
    previousExpiresAt,
    previousKeyHash: _previous,
    keyPrefix: _prefix,
    keySuffix: _suffix,
    ...rest
  } = key;
  const { keyHash: ownHash, createdAt: _created, updatedAt: _updated, ...served } = rest;
  return {
    ...served,
    replacedUntil: keyHash === null || ownHash === keyHash ? null : previousExpiresAt,
    tools: byName(rows),
  };
}

/**
 * The key with this hash, or that one replaced by a rotation, and its active tools, in one round
 * trip; or null.
 */
export function findKeyByHash(database: Database, keyHash: string): Promise<ResolvedKey | null> {
  const isIt = or(eq(apiKeys.keyHash, keyHash), eq(apiKeys.previousKeyHash, keyHash));
  return resolveKey(database, isIt, keyHash);
}

/** The key with this id, likewise. */
export const findKeyById = (database: Database, id: string): Promise<ResolvedKey | null> =>
  resolveKey(database, eq(apiKeys.id, id), null);

/** What a model is offered with this key, or null where there is no such key. */
export async function findToolsOfKey(
  database: Database,
  id: string,
): Promise<ResolvedTool[] | null> {
  const rows = await database
    .select({ tool: tools })
    .from(apiKeys)
    .leftJoin(apiKeyTools, eq(apiKeyTools.apiKeyId, apiKeys.id))
    .leftJoin(tools, isOffered)
    .where(eq(apiKeys.id, id));
  return rows.length === 0 ? null : byName(rows);
}
