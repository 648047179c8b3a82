/**
 * One turn, as it is kept: everything between a client's request and the end of its response. It is
 * plain JSON, because it waits in a file (Node) or in a queue (workerd) until the database has it.
 */
import type { HistoryPlace } from "../openai/history-hash.ts";
import type { BilledUnits } from "../openai/billed-units.ts";
import type { Usage } from "../openai/usage.ts";

/**
 * How a turn ended. `refused`: the proxy itself said no (400, 403, 413, 429 and the like) before it
 * asked upstream for anything.
 */
export type TurnStatus = "completed" | "failed" | "cancelled" | "refused";

/** How one upstream call ended. */
type RoundStatus = Exclude<TurnStatus, "refused">;

export interface RoundRecord {
  /** From 1. */
  round: number;
  status: RoundStatus;
  usage: Usage | null;
  /** What upstream bills beside tokens. Absent where there is nothing. */
  billed?: BilledUnits;
  timeToFirstTokenMs: number | null;
  durationMs: number;
  finishReason: string | null;
  error: string | null;
  /** Whether its usage was estimated already, because what it is counted from is not kept. */
  tokensEstimated?: boolean;
  /**
   * The message as far as it came, where the round's tokens are counted from it: upstream sent no
   * usage, or the round was broken off. Absent where nothing came.
   */
  received?: Record<string, unknown>;
  /**
   * What the proxy did so that upstream took the round, a sentence each: asked again in a milder
   * form, tried again after a 429. Absent where it was simply asked.
   */
  notes?: string[];
}

/** A body of which no text is kept. */
export interface BodyDigest {
  /** Of all its bytes as they crossed, in hexadecimal. */
  sha256: string;
  bytes: number;
  contentType: string;
}

interface ToolExecutionRecord {
  id: string;
  toolId: string;
  toolName: string;
  type: "function" | "mcp";
  toolCallId: string;
  round: number;
  /** JSON text as the model wrote it. */
  arguments: string;
  /** What the model was given, or null where the call failed. */
  result: string | null;
  error: string | null;
  /** Lines of `console.*`. */
  logs: string[];
  /** Milliseconds since 1970. */
  startedAt: number;
  durationMs: number;
}

/** A response of the Responses API as it is kept. Texts are JSON. */
export interface KeptResponse {
  id: string;
  previousId: string | null;
  /** Whether clients may ask for it. */
  isStored: boolean;
  /** Whether something of it is hidden from its client. */
  hasHidden: boolean;
  /** Of its rounds, as upstream knows them. */
  upstreamIds: string[];
  /** Arrays: what was new in its request, and what was said in it, as the model knows both. */
  input: string;
  /** The input as its client sent it, where that is another. */
  sent: string | null;
  items: string;
  /** As its client was given it. */
  body: string;
  /** Ids of its items, and of calls in them, by which a client may come back. */
  itemIds: string[];
  /** Milliseconds since 1970. */
  expiresAt: number;
}

/** A message that the client did not send. */
export interface ProducedMessage {
  /** The message in the wire format of chat completions. */
  message: Record<string, unknown>;
  round: number;
  /** Whether the client saw it. */
  hidden: boolean;
}

export interface TurnRecord {
  /** UUID version 7; also the `x-proxy-request-id`. Writing a record twice has no effect. */
  id: string;
  /**
   * What the client was told. The turn may turn out to go on from another conversation: then this
   * is an alias of that.
   */
  conversationId: string;
  /** Whether the client named the conversation itself. */
  isNamed?: boolean;
  /** The turn that it goes on from, where that was known when the answer began. */
  parentTurnId?: string;
  /** Whether another request was going on from that turn at the same time, or had done so. */
  isBranch?: boolean;
  /** `metadata`: no content is stored. Absent: all of it. */
  logContent?: "metadata";
  /** Base URL that the rounds went to: prices are the provider's. */
  upstream?: string;
  apiKeyId: string;
  apiKeyName: string;
  /** Path, e.g. `/v1/chat/completions`. */
  endpoint: string;
  /** The path whose bodies these are, where it is another: a call of `/mcp` asks others inside. */
  bodies?: string;
  /** The model as the request names it, where that was read. */
  model: string | null;
  /** What an upload that was passed on, or else its answer, turned out to name. */
  seenModel?: string;
  streamed: boolean;
  /** Whether an earlier answer was given again. Absent: upstream was asked. */
  cached?: boolean;
  status: TurnStatus;
  /** Status of the response that the client got. */
  httpStatus: number;
  error: string | null;
  /** The error's `code` as OpenAI spells it, ours or upstream's; null where there is none. */
  errorCode: string | null;
  finishReason: string | null;
  /**
   * Why the tool loop ended: `answered`, `client_calls`, `max_rounds`, …; null where no tools were
   * offered.
   */
  loopStopReason: string | null;
  /** Milliseconds since 1970. */
  startedAt: number;
  durationMs: number;
  timeToFirstTokenMs: number | null;
  /** The client's request body as text, or null where it could not be read as text. */
  request: string | null;
  /**
   * The raw response body where no tool loop read it: its text and content type. The messages are
   * read from it later.
   */
  response: { contentType: string; text: string; truncated: boolean } | null;
  /** Bodies that are no text to be read: uploads, vectors, sounds. */
  requestDigest?: BodyDigest;
  responseDigest?: BodyDigest;
  /** Messages that the tool loop produced, oldest first. Empty where `response` is set. */
  produced: ProducedMessage[];
  rounds: RoundRecord[];
  toolExecutions: ToolExecutionRecord[];
  /** Names of the server tools that were offered, and of those that a client tool shadowed. */
  toolsOffered: string[];
  toolsShadowed: string[];
  /**
   * Messages that were put back into the history that the client sent: JSON texts of arrays. Absent
   * where there are none.
   */
  restored?: string[];
  /**
   * What the client did not see of this turn, where it could not be kept at once. `expiresAt`:
   * milliseconds since 1970.
   */
  hiddenRounds?: { lookups: string[]; messages: string; expiresAt: number };
  /** A response that could not be kept at once. */
  keptResponse?: KeptResponse;
  /**
   * Where the turn's answer ends in its client's history, and where earlier ones did, where ids say
   * so, or where the request is not kept whole. Absent: what was said does.
   */
  placed?: { places: HistoryPlace[]; place: string | null };
  /**
   * JSON texts of the tools that were added to the request, kept only where a round's tokens are
   * counted here.
   */
  addedTools?: string[];
}
