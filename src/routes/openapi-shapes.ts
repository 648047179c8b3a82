/**
 * What the admin API answers: the shapes of the OpenAPI document. Tests compare real answers with
 * them.
 */
import { z } from "zod";
import { COUNTS, descriptionOf } from "../store/figures.ts";
import { KEY_ANSWER } from "./key-settings.ts";
import { TOOL_TYPE_NAMES } from "../tools/tool-types.ts";

const time = z.string().meta({ format: "date-time" });
const id = z.string().meta({ format: "uuid" });
const count = z.int().min(0);
const jsonSchema = z.record(z.string(), z.unknown()).meta({ description: "A JSON Schema" });
const status = z.enum(["completed", "failed", "cancelled", "refused"]);
const dollars = z.number().meta({ description: "US dollars" });

/** Null: upstream did not say, or the price is not known. */
const usage = {
  promptTokens: count.nullable(),
  completionTokens: count.nullable(),
  totalTokens: count.nullable(),
  tokensEstimated: z.boolean(),
  cachedTokens: count.nullable(),
  reasoningTokens: count.nullable(),
  cost: dollars.nullable(),
  costIncomplete: z.boolean(),
};

const key = z.object({
  id,
  keyPrefix: z.string(),
  keySuffix: z.string(),
  hasOpenaiApiKey: z.boolean(),
  ...KEY_ANSWER,
  lastUsedAt: time.nullable(),
  previousExpiresAt: time.nullable(),
  spend: z.object({ month: dollars }),
  createdAt: time,
  updatedAt: time,
});

const newKey = key.extend({
  key: z.string().meta({ description: "The key itself. It is shown this once." }),
});

const describedTool = z.object({ description: z.string(), parameters: jsonSchema });

const hiddenText = z
  .array(
    z.object({
      field: z.string(),
      kinds: z.array(z.string()),
      count: z.int(),
      shown: z.string(),
    }),
  )
  .optional()
  .meta({ description: "Where models are told what people cannot see; absent where nowhere" });

const tool = z.object({
  id,
  name: z.string(),
  description: z.string(),
  type: z.enum(TOOL_TYPE_NAMES),
  parameters: jsonSchema,
  implementation: z.string().nullable(),
  mcpServerCommand: z.string().nullable(),
  mcpServerUrl: z.string().nullable(),
  mcpToolName: z.string().nullable(),
  envNames: z.array(z.string()).nullable(),
  mcpHeaderNames: z.array(z.string()).nullable(),
  mcpIsolation: z.enum(["key", "shared"]),
  timeoutMs: z.int().nullable(),
  maxConcurrency: z.int().nullable(),
  onMcpChange: z.enum(["keep", "disable"]),
  hiddenText,
  mcpChange: z
    .object({ from: describedTool, to: describedTool.nullable(), hiddenText })
    .nullable()
    .meta({
      description:
        "What the MCP server offers instead of what was approved; `to` is null where it has no such tool any more",
    }),
  mcpChangedAt: time.nullable(),
  mcpCheckedAt: time.nullable(),
  isActive: z.boolean(),
  createdAt: time,
  updatedAt: time,
});

const conversation = z.object({
  id,
  apiKeyId: id,
  apiKeyName: z.string(),
  model: z.string().nullable(),
  endpoint: z.string(),
  kind: z.enum(["conversation", "request"]),
  title: z.string(),
  status: status.meta({ description: "Of its latest turn" }),
  statuses: z.array(status).meta({ description: "Of all its turns" }),
  error: z.string().nullable().meta({
    description: "Of its latest turn that failed or was refused",
  }),
  errorCode: z.string().nullable(),
  messageCount: count,
  toolExecutionCount: count,
  turnCount: count,
  toolsUsed: z.array(z.string()),
  toolsFailed: z.array(z.string()),
  ...usage,
  durationMs: count,
  branchOfTurnId: id.nullable(),
  branchOfConversationId: id.nullable(),
  createdAt: time,
  updatedAt: time,
});

const digest = z
  .object({ sha256: z.string(), bytes: count, contentType: z.string() })
  .meta({ description: "A body of which no text is kept" });

const turn = z.object({
  id,
  parentTurnId: id.nullable(),
  endpoint: z.string(),
  model: z.string().nullable(),
  streamed: z.boolean(),
  cached: z
    .boolean()
    .meta({ description: "Whether an earlier answer was given again, which cost nothing" }),
  status,
  httpStatus: z.int(),
  error: z.string().nullable(),
  errorCode: z.string().nullable(),
  finishReason: z.string().nullable(),
  loopStopReason: z.string().nullable(),
  ...usage,
  timeToFirstTokenMs: count.nullable(),
  durationMs: count,
  toolsOffered: z.array(z.string()),
  toolsShadowed: z.array(z.string()),
  requestDigest: digest.nullable(),
  responseDigest: digest.nullable(),
  startedAt: time,
});

const message = z.object({
  id,
  turnId: id,
  role: z.string(),
  content: z.unknown().meta({ description: "A text, an array of content parts, or null" }),
  toolCalls: z.unknown().meta({ description: "As the model sent them, or null" }),
  extra: z
    .unknown()
    .meta({ description: "Reasoning, refusal, name and what else the message had, or null" }),
  toolCallId: z.string().nullable(),
  hidden: z.boolean(),
  round: z.int().nullable(),
  createdAt: time,
});

const toolExecution = z.object({
  id,
  turnId: id,
  toolId: id,
  toolName: z.string(),
  type: z.enum(TOOL_TYPE_NAMES),
  toolCallId: z.string(),
  round: z.int(),
  arguments: z.union([z.record(z.string(), z.unknown()), z.string()]),
  result: z.string().nullable(),
  error: z.string().nullable(),
  logs: z.unknown().meta({ description: "Lines of console.*" }),
  startedAt: time,
  durationMs: count,
});

const round = z.object({
  turnId: id,
  round: z.int(),
  status,
  ...usage,
  timeToFirstTokenMs: count.nullable(),
  durationMs: count,
  finishReason: z.string().nullable(),
  error: z.string().nullable(),
  notes: z.array(z.string()).meta({
    description: "What the proxy did so that upstream took the round",
  }),
});

const turnsDetail = {
  turns: z.array(turn),
  messages: z.array(message),
  toolExecutions: z.array(toolExecution),
  rounds: z.array(round),
};

const conversationDetail = conversation.extend({
  ...turnsDetail,
  branches: z.array(
    z.object({ id, title: z.string(), branchOfTurnId: id.nullable(), createdAt: time }),
  ),
  inherited: z.object(turnsDetail),
});

const discoveredTool = z.object({
  hiddenText,
  name: z.string(),
  suggestedName: z
    .string()
    .meta({ description: "A name that OpenAI takes, and that no other server's tool has" }),
  description: z.string(),
  parameters: jsonSchema,
});
const discovered = z.union([
  z.object({ tools: z.array(discoveredTool) }),
  z.object({
    servers: z.array(
      z.object({
        name: z.string(),
        mcpServerCommand: z.string().optional(),
        mcpServerUrl: z.string().optional(),
        tools: z.array(discoveredTool).optional(),
        error: z.string().optional(),
      }),
    ),
  }),
]);

const server = z.object({
  id: z.string(),
  command: z.string(),
  owner: z
    .nullable(z.object({ id: z.string(), name: z.string() }))
    .meta({ description: "An API key, or `operator`; null: all keys" }),
  state: z.enum(["stopped", "starting", "running", "failed"]),
  pid: z.int().optional(),
  startedAt: time.optional(),
  lastError: z.string().optional(),
  retryAt: time
    .optional()
    .meta({ description: "When a failed server is started again at the earliest" }),
  restarts: count,
  calls: count,
  callsInFlight: count,
  queued: count,
  stderr: z.array(z.string()),
  tools: z.array(z.string()),
});

const percentiles = z
  .object({ p50: z.number(), p90: z.number(), p95: z.number(), p99: z.number() })
  .nullable();
const figure = (name: (typeof COUNTS)[number]) => {
  const shape = name === "cost" ? dollars.nullable() : count;
  const description = descriptionOf(name);
  return description === undefined ? shape : shape.meta({ description });
};
const figures = {
  group: z.string().nullable(),
  label: z.string().nullable(),
  ...Object.fromEntries(COUNTS.map((name) => [name, figure(name)])),
  durationMs: percentiles,
  timeToFirstTokenMs: percentiles,
};

const statistics = z.object({
  from: time,
  to: time,
  bucket: z.enum(["hour", "day", "month"]),
  groupBy: z.enum(["none", "key", "model", "tool", "endpoint"]),
  buckets: z.array(z.object({ start: time, ...figures })),
  totals: z.array(z.object(figures)),
  tools: z.array(
    z.object({
      name: z.string(),
      executions: count,
      failed: count,
      durationMs: z.object({ p50: z.number(), p95: z.number() }).nullable(),
    }),
  ),
});

const auditEntry = z.object({
  id,
  actor: z.string(),
  action: z.string(),
  targetId: z.string().nullable(),
  targetName: z.string().nullable(),
  changes: z.record(z.string(), z.unknown()),
  clientAddress: z.string(),
  createdAt: time,
});

const settings = z.object({
  version: z.string(),
  node: z.string().nullable(),
  runtime: z.enum(["node", "workerd"]),
  database: z.object({ version: z.string(), embedded: z.boolean() }),
  retentionDays: z.int().nullable(),
  localServers: z.object({
    runAs: z.enum(["proxy", "sidecar", "own", "nobody"]),
    message: z.string(),
  }),
  config: z.record(z.string(), z.union([z.string(), z.number(), z.null()])),
  warnings: z.array(z.string()),
});

const preview = z.object({
  tools: z.array(
    z.object({
      name: z.string(),
      type: z.string(),
      description: z.string(),
      tokens: count,
      text: z.string(),
    }),
  ),
  tokens: count,
});

const trial = z.object({
  result: z.string().nullable(),
  error: z.string().nullable(),
  logs: z.array(z.string()),
  durationMs: count,
});

const apiError = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
});

const pageOf = (row: z.ZodType) =>
  z.object({
    data: z.array(row),
    nextCursor: z.string().nullable().meta({ description: "Null on the last page" }),
  });

/** Every shape by its name in the document. */
export const SHAPES = {
  Error: apiError,
  Key: key,
  NewKey: newKey,
  KeyPage: pageOf(key),
  KeyTools: z.object({ toolIds: z.array(id) }),
  KeyPreview: preview,
  Tool: tool,
  ToolPage: pageOf(tool),
  ToolTrial: trial,
  DiscoveredTools: discovered,
  ServerList: z.object({ data: z.array(server) }),
  Conversation: conversation,
  ConversationPage: pageOf(conversation),
  ConversationDetail: conversationDetail,
  Statistics: statistics,
  AuditPage: pageOf(auditEntry),
  Settings: settings,
  Session: z.object({ token: z.string(), expiresAt: time }),
  Document: z.record(z.string(), z.unknown()),
} satisfies Record<string, z.ZodType>;
