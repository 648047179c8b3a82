import type { apiKeys } from "../../drizzle/schema.ts";

/** A tool as the loop needs it: active, parsed, secrets still sealed. */
export interface ResolvedTool {
  id: string;
  name: string;
  description: string;
  type: "function" | "mcp";
  /** JSON Schema of the arguments object. */
  parameters: Record<string, unknown>;
  implementation: string | null;
  mcpServerCommand: string | null;
  mcpServerUrl: string | null;
  /** The tool's name at its MCP server. */
  mcpToolName: string | null;
  /** Sealed JSON object of environment variables, or null. */
  env: string | null;
  /** Sealed JSON object of headers for `mcpServerUrl`, or null. */
  mcpHeaders: string | null;
  /** `key`: each API key has a process of its own. */
  mcpIsolation: "key" | "shared";
  /** When its server was last asked for the tool's schema. */
  mcpCheckedAt: Date | null;
  /** Milliseconds, or null for the type's default. */
  timeoutMs: number | null;
  /** Calls at the same time; null: no limit of its own. */
  maxConcurrency: number | null;
}

/** What serving a request does not need. */
type Unneeded =
  | "keyHash"
  | "keyPrefix"
  | "keySuffix"
  | "previousKeyHash"
  | "previousExpiresAt"
  | "createdAt"
  | "updatedAt";

/**
 * A proxy key with everything that serving one of its requests needs, so that one lookup is enough.
 * Its columns, and what they mean, are the schema's: a column that is added there is here.
 */
export interface ResolvedKey extends Omit<typeof apiKeys.$inferSelect, Unneeded> {
  /** Where it was found by the secret that a rotation replaced: until when that is accepted. */
  replacedUntil: Date | null;
  /** Active tools only, ordered by name. */
  tools: ResolvedTool[];
}
