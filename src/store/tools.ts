import { eq, sql } from "drizzle-orm";
import { v7 as uuidv7 } from "uuid";
import { tools } from "../../drizzle/schema.ts";
import { ApiError } from "../openai/api-error.ts";
import type { Database } from "./database.ts";
import { isUniqueViolation } from "./database-error.ts";
import { afterCursor, newestFirst, toPage, type Page, type PageRequest } from "./page.ts";

/** A tool's row: `parameters` is JSON text, `env` is sealed. */
export type StoredTool = typeof tools.$inferSelect;

/** The columns of a tool that an operator sets. */
export type ToolColumns = Omit<StoredTool, "id" | "createdAt" | "updatedAt">;

function refuseTakenName(name: string | undefined): (error: unknown) => never {
  return (error) => {
    if (!isUniqueViolation(error)) throw error;
    throw new ApiError("conflict", `There is a tool named "${name ?? ""}" already. Choose another name, or change that tool.`, {
      param: "name",
      cause: error,
    });
  };
}

function mustExist(tool: StoredTool | undefined): StoredTool {
  if (tool === undefined) throw new Error("A tool that was just written is not there");
  return tool;
}

/**
 * Stores a new tool.
 * @throws ApiError 409 where the name is taken
 */
export async function createTool(database: Database, columns: ToolColumns): Promise<StoredTool> {
  const [tool] = await database
    .insert(tools)
    .values({ ...columns, id: uuidv7() })
    .returning()
    .catch(refuseTakenName(columns.name));
  return mustExist(tool);
}

/** One tool, or null. */
export async function findTool(database: Database, id: string): Promise<StoredTool | null> {
  const [tool] = await database.select().from(tools).where(eq(tools.id, id));
  return tool ?? null;
}

/**
 * Tools, newest first.
 * @throws ApiError 400 for a cursor that is none
 */
export async function listTools(database: Database, page: PageRequest): Promise<Page<StoredTool>> {
  const query = database.select().from(tools).where(afterCursor(tools, page));
  return toPage(await query.orderBy(...newestFirst(tools)).limit(page.limit + 1), page);
}

/**
 * Changes a tool. Null where there is no such tool.
 * @throws ApiError 409 where the new name is taken
 */
export async function updateTool(database: Database, id: string, changes: Partial<ToolColumns>): Promise<StoredTool | null> {
  const update = database
    .update(tools)
    .set({ ...changes, updatedAt: sql`now()` })
    .where(eq(tools.id, id))
    .returning();
  const [tool] = await update.catch(refuseTakenName(changes.name));
  return tool ?? null;
}

/** Deletes a tool and its assignments; what it did stays on record. False where there is no such tool. */
export async function deleteTool(database: Database, id: string): Promise<boolean> {
  return (await database.delete(tools).where(eq(tools.id, id)).returning({ id: tools.id })).length > 0;
}
