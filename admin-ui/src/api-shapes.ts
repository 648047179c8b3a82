/**
 * What the admin API answers. Where the server has a type, it is derived from that: a field that
 * changes there does not compile here. The rest is typed by the API's contract.
 */
import type { ErrorBody } from "../../src/openai/api-error.ts";
import type { PartHealth } from "../../src/platform.ts";
import type { HiddenText } from "../../src/tools/hidden-text.ts";
import type { LocalServers } from "../../src/tools/mcp/local-servers.ts";
import type { ConversationRow } from "../../src/store/conversation-row.ts";
import type { ConversationDetail as ServerDetail } from "../../src/store/conversations.ts";
import type { StoredKey } from "../../src/store/keys.ts";
import type { StoredTool } from "../../src/store/tools.ts";

export type { PartHealth };

/** A value after its way through JSON: dates are ISO 8601 texts. */
type AsJson<T> = T extends Date
  ? string
  : T extends object
    ? { [Name in keyof T]: AsJson<T[Name]> }
    : T;

export type ApiKey = AsJson<StoredKey> & {
  /** The last 4 characters; empty where they are not known. */
  keySuffix: string;
  logContent: "full" | "metadata";
  requestsPerMinute: number | null;
  tokensPerMinute: number | null;
  /** US dollars in a calendar month (UTC). */
  monthlyBudget: number | null;
  lastUsedAt: string | null;
  /** Until when the key that a rotation replaced is still accepted. */
  previousExpiresAt: string | null;
  spend: { month: number };
};

/** The answer to a key's creation and rotation: the only ones that have the key itself. */
export type CreatedKey = ApiKey & { key: string };

/** What the model is told of a key's tools. */
export interface KeyPreview {
  tools: { name: string; type: string; description: string; tokens: number; text: string }[];
  tokens: number;
}

/** What a model is told of a tool, apart from its name. */
interface ToolDescription {
  description: string;
  /** JSON Schema of the arguments. */
  parameters: unknown;
}

/** What an MCP server offers instead of what was approved. */
export interface ToolChange {
  from: ToolDescription;
  /** Null: the server has no such tool any more. */
  to: ToolDescription | null;
  hiddenText?: HiddenText[];
}

type Sealed = "env" | "mcpHeaders" | "mcpApproved" | "mcpChanged";

export interface Tool extends AsJson<Omit<StoredTool, "parameters" | Sealed>> {
  /** JSON Schema of the arguments. */
  parameters: unknown;
  /** Names of the stored variables; null where they cannot be decrypted. */
  envNames: string[] | null;
  /** Names of the stored headers; null where they cannot be decrypted. */
  mcpHeaderNames: string[] | null;
  /** A change that waits for a decision. */
  mcpChange: ToolChange | null;
  hiddenText?: HiddenText[];
}

/** What became of one call of a tool that the operator made. */
export interface Trial {
  result: string | null;
  error: string | null;
  logs: string[];
  durationMs: number;
}

/** A tool as an MCP server announces it. */
export interface FoundTool {
  name: string;
  description: string;
  parameters: unknown;
  /** Where models are told what people cannot see; absent where nowhere. */
  hiddenText?: HiddenText[];
  /** With its server's name before it: OpenAI takes it, and no tool of another server has it. */
  suggestedName: string;
}

/** The tools of one MCP server, or why they could not be listed. */
export interface FoundServer {
  name: string;
  mcpServerCommand?: string;
  mcpServerUrl?: string;
  tools?: FoundTool[];
  error?: string;
}

/** A process of an MCP server, or one that will be started when it is needed. */
export interface McpServer {
  id: string;
  command: string;
  /** Whose calls it serves: of an API key, or the operator's tries; null: everybody's. */
  owner: { id: string; name: string } | null;
  state: string;
  pid?: number;
  startedAt?: string;
  lastError?: string;
  /** When it is started again at the earliest. */
  retryAt?: string;
  restarts: number;
  calls: number;
  callsInFlight: number;
  queued: number;
  stderr: string[];
  /** Names of the tools here that it serves. */
  tools: string[];
}

/** A conversation in a list. */
export type Conversation = AsJson<ConversationRow>;

type Detail = AsJson<ServerDetail>;
export type Turn = Detail["turns"][number];
/** `extra`: reasoning, refusal, name and what else a message had. */
export type Message = Detail["messages"][number] & { extra?: unknown };
export type ToolExecution = Detail["toolExecutions"][number];
export type Round = Detail["rounds"][number];

/** Everything that happened in some turns. */
export interface History {
  turns: Turn[];
  messages: Message[];
  toolExecutions: ToolExecution[];
  rounds: Round[];
}

export type ConversationDetail = Conversation &
  History & {
    branches?: { id: string; title: string; branchOfTurnId: string | null; createdAt: string }[];
    /** What a branch goes on from, oldest first. */
    inherited?: History;
  };

interface Percentiles {
  p50: number;
  p90: number;
  p95: number;
  p99: number;
}

/** Figures of one bucket of time, or of one group. */
export interface StatsFigures {
  group: string | null;
  label: string | null;
  requests: number;
  failed: number;
  cancelled: number;
  /** By the proxy itself; not among those that failed. */
  refused: number;
  promptTokens: number;
  completionTokens: number;
  cachedTokens: number;
  reasoningTokens: number;
  cost: number;
  /** Requests with tokens whose price is not known. */
  unpriced: number;
  durationMs: Percentiles | null;
  timeToFirstTokenMs: Percentiles | null;
}

export interface Stats {
  from: string;
  to: string;
  bucket: "hour" | "day" | "month";
  buckets: (StatsFigures & { start: string })[];
  totals: StatsFigures[];
  tools: {
    name: string;
    executions: number;
    failed: number;
    durationMs: { p50: number; p95: number } | null;
  }[];
}

export interface AuditEntry {
  id: string;
  actor: string;
  action: string;
  targetId: string | null;
  targetName: string | null;
  changes: unknown;
  clientAddress: string;
  createdAt: string;
}

export interface Settings {
  version: string;
  node: string | null;
  runtime: "node" | "workerd";
  database: { version: string; embedded: boolean };
  retentionDays: number | null;
  localServers: LocalServers;
  config: Record<string, unknown>;
  warnings: string[];
}

export interface Health {
  status: PartHealth["status"];
  /** Only where the session is known. */
  parts?: Record<string, PartHealth>;
}

export type HealthStatus = PartHealth["status"];

/** Part of a list, newest first. */
export interface Page<Row> {
  data: Row[];
  /** Null on the last page. */
  nextCursor: string | null;
}

export type ApiFault = ErrorBody["error"];
