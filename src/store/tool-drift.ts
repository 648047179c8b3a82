import { and, eq, inArray, isNull, lt, lte, or, sql } from "drizzle-orm";
import { tools } from "../../drizzle/schema.ts";
import { recordAudit } from "./audit.ts";
import type { Database } from "./database.ts";
import { inTransaction } from "./database-error.ts";
import type { StoredTool, ToolWrite } from "./tools.ts";

/** Tools whose server is to be asked. */
export interface AskedTools {
  tools: StoredTool[];
  /**
   * Before it is asked, by the database's clock: replicas' clocks differ, and of two listings the
   * later one counts.
   */
  askedAt: Date;
}

/**
 * Tools with the same command, or the same URL: their secrets, which are sealed, may still differ.
 */
export async function findToolsAt(
  database: Database,
  { mcpServerCommand, mcpServerUrl }: Pick<StoredTool, "mcpServerCommand" | "mcpServerUrl">,
): Promise<AskedTools> {
  const isThere =
    mcpServerUrl === null
      ? eq(tools.mcpServerCommand, mcpServerCommand ?? "")
      : eq(tools.mcpServerUrl, mcpServerUrl);
  const rows = await database
    .select({ tool: tools, askedAt: sql`now()`.mapWith(tools.createdAt) })
    .from(tools)
    .where(isThere);
  return { tools: rows.map(({ tool }) => tool), askedAt: rows[0]?.askedAt ?? new Date(0) };
}

/**
 * Notes what a tool's server offers, unless an operator has changed the tool since it was read, or
 * a later listing is known.
 * @param tool as it was read
 */
export async function noteDrift(
  database: Database,
  tool: StoredTool,
  {
    mcpApproved,
    mcpChanged,
    askedAt,
  }: Pick<StoredTool, "mcpApproved" | "mcpChanged"> & { askedAt: Date },
): Promise<void> {
  const mcpChangedAt =
    mcpChanged === null ? null : mcpChanged === tool.mcpChanged ? tool.mcpChangedAt : askedAt;
  const isAsRead = and(
    eq(tools.updatedAt, tool.updatedAt),
    sql`${tools.mcpApproved} is not distinct from ${tool.mcpApproved}`,
  );
  await database
    .update(tools)
    .set({ mcpApproved, mcpChanged, mcpChangedAt, mcpCheckedAt: askedAt })
    .where(
      and(
        eq(tools.id, tool.id),
        isAsRead,
        or(isNull(tools.mcpCheckedAt), lte(tools.mcpCheckedAt, askedAt)),
      ),
    );
}

/** Notes that the servers of these tools were asked, unless that was noted after `unlessSince`. */
export async function noteChecked(
  database: Database,
  ids: string[],
  { askedAt, unlessSince }: { askedAt: Date; unlessSince: Date },
): Promise<void> {
  const isOld = or(isNull(tools.mcpCheckedAt), lt(tools.mcpCheckedAt, unlessSince));
  await database
    .update(tools)
    .set({ mcpCheckedAt: askedAt })
    // A tool that was changed since may be at another server.
    .where(and(inArray(tools.id, ids), lte(tools.updatedAt, askedAt), isOld));
}

/** What an operator does about a waiting change. */
export interface Settlement {
  action: "approve" | "dismiss";
  /** The columns that change. @throws ApiError where that cannot be done */
  settle(tool: StoredTool): Promise<Partial<StoredTool>>;
}

/** Settles the waiting change of a tool. Null where there is no such tool. */
export async function settleToolChange(
  write: ToolWrite,
  id: string,
  { action, settle }: Settlement,
): Promise<StoredTool | null> {
  const { database, clientAddress, describe } = write;
  return inTransaction(database, async (transaction) => {
    const [before] = await transaction.select().from(tools).where(eq(tools.id, id)).for("update");
    if (before === undefined) return null;
    const columns = { ...(await settle(before)), updatedAt: sql`now()` };
    const [target] = await transaction
      .update(tools)
      .set(columns)
      .where(eq(tools.id, id))
      .returning();
    if (target === undefined) return null;
    await recordAudit(transaction, {
      action: `tool.change_${action}`,
      clientAddress,
      target,
      changes: describe(before, target),
    });
    return target;
  });
}
