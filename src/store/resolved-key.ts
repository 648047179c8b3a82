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

/**
 * A proxy key with everything that serving one of its requests needs, so that one lookup is enough.
 */
export interface ResolvedKey {
  id: string;
  name: string;
  isActive: boolean;
  expiresAt: Date | null;
  /** Sealed upstream key of its own, or null. */
  openaiApiKey: string | null;
  openaiBaseUrl: string | null;
  /** Null: all models. */
  allowedModels: string[] | null;
  /** Whether hidden rounds of earlier turns are put back into the history. */
  toolMemory: boolean;
  /** Null: the server's limit. */
  toolMaxRounds: number | null;
  /** `metadata`: the record has no content of messages, arguments and results. */
  logContent: "full" | "metadata";
  /** Null: no limit. */
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
  /** US dollars in a calendar month (UTC). */
  monthlyBudget: number | null;
  /** How long `/mcp` may give an answer again, in seconds. Null: the server's setting. */
  answerCacheSeconds: number | null;
  /** Whether requests are served whose price is not known. */
  unpriced: "allow" | "refuse";
  lastUsedAt: Date | null;
  /** Where it was found by the secret that a rotation replaced: until when that is accepted. */
  replacedUntil: Date | null;
  /** Active tools only, ordered by name. */
  tools: ResolvedTool[];
}
