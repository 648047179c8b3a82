import { and, eq } from "drizzle-orm";
import { v7 as uuidv7 } from "uuid";
import { auditLog } from "../../drizzle/schema.ts";
import { isObject, parseJson, type JsonObject } from "../openai/json.ts";
import type { Database, Transaction } from "./database.ts";
import { afterCursor, newestFirst, toPage, type Page, type PageRequest } from "./page.ts";

/** Everything that an operator can do that leaves a trace. */
export const AUDIT_ACTIONS = [
  "api_key.create",
  "api_key.update",
  "api_key.rotate",
  "api_key.delete",
  "key_tools.replace",
  "key_tools.assign",
  "key_tools.unassign",
  "tool.create",
  "tool.update",
  "tool.delete",
  "tool.import",
  "tool.change_approve",
  "tool.change_dismiss",
  "tool.try",
  "tool.check",
  "tool.discover",
  "conversation.read",
  "conversation.export",
  "conversation.delete",
  "session.sign_in",
  "session.refused",
  "session.throttled",
  "session.sign_out",
  "server.restart",
] as const;

/** One of {@link AUDIT_ACTIONS}. */
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

/** A database, and who changes something in it. */
export interface AdminWrite {
  database: Database;
  clientAddress: string;
}

/** What is put on record of a change. */
export interface AuditEntry {
  action: AuditAction;
  /** Address from which it was done. */
  clientAddress: string;
  target?: { id: string | null; name: string };
  /** Never a secret: see {@link setOrRemoved}. */
  changes?: JsonObject;
}

/** There is one operator. */
const ACTOR = "admin";

/** Puts a change on record. In the change's own transaction, one is not without the other. */
export async function recordAudit(
  database: Database | Transaction,
  { action, clientAddress, target, changes }: AuditEntry,
): Promise<void> {
  await database.insert(auditLog).values({
    id: uuidv7(),
    actor: ACTOR,
    action,
    targetId: target?.id ?? null,
    targetName: target?.name ?? null,
    changes: JSON.stringify(changes ?? {}),
    clientAddress,
  });
}

/** What may be said of a secret's new value. */
export function setOrRemoved(value: unknown): "(set)" | "(removed)" {
  return value === null ? "(removed)" : "(set)";
}

/**
 * The fields whose values differ, each as `{from, to}`. Fields that `after` does not have were not
 * touched.
 */
export function differences(before: JsonObject, after: JsonObject): JsonObject {
  const changed = Object.entries(after).filter(
    ([field, value]) =>
      value !== undefined && JSON.stringify(before[field]) !== JSON.stringify(value),
  );
  return Object.fromEntries(
    changed.map(([field, to]) => [field, { from: before[field] ?? null, to }]),
  );
}

/** A change as the operator reads it. */
export interface AuditRow extends Omit<typeof auditLog.$inferSelect, "changes"> {
  changes: JsonObject;
}

/** Which changes are wanted. */
export interface AuditFilter {
  action?: AuditAction | undefined;
  targetId?: string | undefined;
}

/**
 * What was changed, newest first.
 * @throws ApiError 400 for a cursor that is none
 */
export async function listAudit(
  database: Database,
  page: PageRequest,
  { action, targetId }: AuditFilter,
): Promise<Page<AuditRow>> {
  const wanted = [
    action === undefined ? undefined : eq(auditLog.action, action),
    targetId === undefined ? undefined : eq(auditLog.targetId, targetId),
  ];
  const query = database
    .select()
    .from(auditLog)
    .where(and(...wanted, afterCursor(auditLog, page)));
  const rows = await query.orderBy(...newestFirst(auditLog)).limit(page.limit + 1);
  const shown = rows.map((row) => {
    const changes = parseJson(row.changes);
    return { ...row, changes: isObject(changes) ? changes : {} };
  });
  return toPage(shown, page);
}
