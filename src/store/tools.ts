import { and, asc, eq, isNotNull, sql } from "drizzle-orm";
import { v7 as uuidv7 } from "uuid";
import { tools } from "../../drizzle/schema.ts";
import { ApiError } from "../openai/api-error.ts";
import type { JsonObject } from "../openai/json.ts";
import { recordAudit, type AdminWrite } from "./audit.ts";
import type { Database } from "./database.ts";
import { inTransaction, isUniqueViolation } from "./database-error.ts";
import { afterCursor, newestFirst, toPage, type Page, type PageRequest } from "./page.ts";

/** A tool's row: `parameters` is JSON text, `env` is sealed. */
export type StoredTool = typeof tools.$inferSelect;

/** The columns of a tool that an operator sets. */
export type ToolColumns = Omit<StoredTool, "id" | "createdAt" | "updatedAt" | CheckedColumn>;

/** The columns that hold what became of a tool's schema at its server. */
type CheckedColumn = "mcpApproved" | "mcpChanged" | "mcpChangedAt" | "mcpCheckedAt";

const NEVER_CHECKED: Record<CheckedColumn, null> = {
  mcpApproved: null,
  mcpChanged: null,
  mcpChangedAt: null,
  mcpCheckedAt: null,
};
const SERVER_COLUMNS = ["mcpServerCommand", "mcpServerUrl", "mcpToolName"] as const;

/**
 * Whether a tool becomes another tool of its server, or one of another server: then nothing is
 * known of it.
 */
function isMoved(before: StoredTool, after: Partial<ToolColumns>): boolean {
  return SERVER_COLUMNS.some(
    (column) => after[column] !== undefined && after[column] !== before[column],
  );
}

function refuseTakenName(name: string | undefined): (error: unknown) => never {
  return (error) => {
    if (!isUniqueViolation(error)) throw error;
    throw new ApiError(
      "conflict",
      `There is a tool named "${name ?? ""}" already. Choose another name, or change that tool.`,
      {
        param: "name",
        cause: error,
      },
    );
  };
}

function mustExist(tool: StoredTool | undefined): StoredTool {
  if (tool === undefined) throw new Error("A tool that was just written is not there");
  return tool;
}

/** A database, who changes a tool in it, and what the audit log is told of it. */
export interface ToolWrite extends AdminWrite {
  /** What was changed, without secrets. @param before null where the tool is new */
  describe(before: StoredTool | null, after: StoredTool): JsonObject;
}

/**
 * Stores a new tool.
 * @throws ApiError 409 where the name is taken
 */
export async function createTool(
  { database, clientAddress, describe }: ToolWrite,
  columns: ToolColumns,
): Promise<StoredTool> {
  return inTransaction(database, async (transaction) => {
    const [created] = await transaction
      .insert(tools)
      .values({ ...columns, id: uuidv7() })
      .returning()
      .catch(refuseTakenName(columns.name));
    const target = mustExist(created);
    await recordAudit(transaction, {
      action: "tool.create",
      clientAddress,
      target,
      changes: describe(null, target),
    });
    return target;
  });
}

/** One tool, or null. */
export async function findTool(database: Database, id: string): Promise<StoredTool | null> {
  const [tool] = await database.select().from(tools).where(eq(tools.id, id));
  return tool ?? null;
}

/** Which tools are wanted. */
export interface ToolFilter {
  /** Only those with a change at their server that waits for approval. */
  isChanged: boolean;
}

/**
 * Tools, newest first.
 * @throws ApiError 400 for a cursor that is none
 */
export async function listTools(
  database: Database,
  page: PageRequest,
  { isChanged }: ToolFilter,
): Promise<Page<StoredTool>> {
  const query = database
    .select()
    .from(tools)
    .where(and(isChanged ? isNotNull(tools.mcpChanged) : undefined, afterCursor(tools, page)));
  return toPage(await query.orderBy(...newestFirst(tools)).limit(page.limit + 1), page);
}

/** Tools whose MCP server is started by a command, by name. */
export async function listCommandTools(database: Database): Promise<StoredTool[]> {
  return database
    .select()
    .from(tools)
    .where(isNotNull(tools.mcpServerCommand))
    .orderBy(asc(tools.name));
}

/**
 * Changes a tool. Null where there is no such tool.
 * @throws ApiError 409 where the new name is taken
 */
export async function updateTool(
  write: ToolWrite,
  id: string,
  columns: Partial<ToolColumns>,
): Promise<StoredTool | null> {
  const { database, clientAddress, describe } = write;
  return inTransaction(database, async (transaction) => {
    const [before] = await transaction.select().from(tools).where(eq(tools.id, id)).for("update");
    if (before === undefined) return null;
    const [updated] = await transaction
      .update(tools)
      .set({
        ...columns,
        ...(isMoved(before, columns) ? NEVER_CHECKED : {}),
        updatedAt: sql`now()`,
      })
      .where(eq(tools.id, id))
      .returning()
      .catch(refuseTakenName(columns.name));
    const target = mustExist(updated);
    const changes = describe(before, target);
    if (Object.keys(changes).length > 0)
      await recordAudit(transaction, { action: "tool.update", clientAddress, target, changes });
    return target;
  });
}

/**
 * Deletes a tool and its assignments; what it did stays on record. False where there is no such
 * tool.
 */
export async function deleteTool(
  { database, clientAddress }: AdminWrite,
  id: string,
): Promise<boolean> {
  return inTransaction(database, async (transaction) => {
    const [target] = await transaction
      .delete(tools)
      .where(eq(tools.id, id))
      .returning({ id: tools.id, name: tools.name });
    if (target === undefined) return false;
    await recordAudit(transaction, { action: "tool.delete", clientAddress, target });
    return true;
  });
}
