import type { JsonObject } from "../openai/json.ts";
import { setOrRemoved } from "../store/audit.ts";
import type { StoredTool } from "../store/tools.ts";
import { labelServer, parseServerCommand } from "./mcp/server-command.ts";

const size = (text: string) => `(${text.length} characters)`;

/** A command or an address that was allowed when it was stored may not be any more. */
function withoutSecrets(text: string, shown: (text: string) => string): string {
  try {
    return shown(text);
  } catch (error) {
    if (error instanceof Error) return size(text);
    throw error;
  }
}

/** How the audit log names a field's value: addresses, arguments and code often hold passwords. */
const SHOWN: Partial<Record<keyof StoredTool, (value: string) => string>> = {
  implementation: size,
  parameters: size,
  mcpServerCommand: (command) =>
    withoutSecrets(command, (text) => labelServer(parseServerCommand(text))),
  mcpServerUrl: (url) => withoutSecrets(url, (text) => new URL(text).origin),
};

const SEALED = ["env", "mcpHeaders"] as const;
const NOT_SHOWN = new Set<string>([
  "id",
  ...SEALED,
  "mcpApproved",
  "mcpChanged",
  "mcpChangedAt",
  "mcpCheckedAt",
  "createdAt",
  "updatedAt",
]);

function shownValue(tool: StoredTool, field: keyof StoredTool): unknown {
  const value = tool[field];
  const show = SHOWN[field];
  return typeof value === "string" && show !== undefined ? show(value) : value;
}

/**
 * What a tool was made with (`before` is null), or what of it changed, as `{from, to}`: for the
 * audit log, without secrets.
 */
export function toolChanges(before: StoredTool | null, after: StoredTool): JsonObject {
  const fields = (Object.keys(after) as (keyof StoredTool)[]).filter(
    (field) => !NOT_SHOWN.has(field),
  );
  const sealed = SEALED.filter((field) => (before?.[field] ?? null) !== after[field]);
  const secrets = Object.fromEntries(sealed.map((field) => [field, setOrRemoved(after[field])]));
  if (before === null) {
    const given = fields
      .filter((field) => after[field] !== null)
      .map((field) => [field, shownValue(after, field)]);
    return { ...(Object.fromEntries(given) as JsonObject), ...secrets };
  }
  const changed = fields.filter((field) => before[field] !== after[field]);
  const entries = changed.map((field) => [
    field,
    { from: shownValue(before, field), to: shownValue(after, field) },
  ]);
  return { ...(Object.fromEntries(entries) as JsonObject), ...secrets };
}
