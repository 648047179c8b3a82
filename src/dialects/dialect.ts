/**
 * What a wire format is to the rest of the house. A dialect is a folder behind this interface; it
 * can be at the client's end of a turn, at upstream's, or at both. The loop, the record and the
 * limits know only what is here.
 */
import type { JsonObject } from "../openai/json.ts";
import type { History } from "../openai/history-hash.ts";
import type { ToolMedia } from "../openai/tool-media.ts";
import type { Usage } from "../openai/usage.ts";
import type { OpenAnswer } from "../stream/open-answer.ts";

export type { History, OpenAnswer, ToolMedia };

/** One entry of a history as its dialect spells it: a message, or an item of Responses. */
export type HistoryItem = JsonObject;

/** One call that the model made. */
export interface ToolCall {
  id: string;
  name: string;
  /** JSON text as the model wrote it; may be empty, or no JSON at all. */
  arguments: string;
  /** Whether the answer reached its limit of tokens before the arguments were complete. */
  isCut: boolean;
}

/** What the model is told of a call. */
export interface CallResult {
  call: ToolCall;
  text: string;
  media: ToolMedia[];
  /** Whether it is a failure: of the tool, or of a limit. */
  failed: boolean;
}

/** A call while it comes. */
export interface CallProgress {
  id: string;
  name: string;
  /** Its arguments as they came, from the first piece on. */
  pieces: readonly string[];
  /** Whether id and name are final. Until then nobody knows whose call it is. */
  settled: boolean;
  /** What is called; absent: a function. */
  type?: string;
  /** Where upstream says that nothing of it follows: whether something of it is missing. */
  ended?: "whole" | "cut";
}

/** What upstream says of an answer beside what is in it. A member may come later than others. */
export interface AnswerFacts {
  /** As upstream names it. */
  model?: string;
  /** In seconds since 1970. */
  createdAt?: number;
  serviceTier?: string;
}

/**
 * What comes of a round, in the order in which it comes.
 *
 * `raw`: what upstream sent, for a client of the same dialect, who gets it as it was spelled. It is
 * on the first event of each piece that upstream sent; a client of another dialect reads the other
 * members, and what has none there is lost to it.
 */
export type RoundEvent = { raw?: unknown } & (
  | {
      type: "text";
      field: "content" | "refusal" | "reasoning";
      text: string;
      /** Which of several texts of the field it belongs to. Absent: there is one. */
      part?: string;
      /** Log probabilities of its tokens, as chat completions spell them. */
      logprobs?: JsonObject[];
    }
  /** All calls of the round so far, in the model's order. */
  | { type: "calls"; calls: readonly CallProgress[] }
  | { type: "facts"; facts: AnswerFacts }
  /** What a text refers to, as a message of chat completions has it. */
  | { type: "annotations"; annotations: JsonObject[] }
  /** Something that only its own dialect knows. */
  | { type: "other" }
);

/** One upstream call's answer, whole. */
export interface Round {
  calls: ToolCall[];
  /** `stop`, `tool_calls`, `length`, `content_filter`, or another word of upstream's. */
  finishReason: string | null;
  usage: Usage | null;
  /** The model as upstream names it, or null where it does not. */
  model: string | null;
  /** Upstream's error object, where the answer is one that its dialect calls failed. */
  failure?: JsonObject;
  /** What the model said, as upstream's dialect takes it back in a later round. */
  items: HistoryItem[];
  /** The same as one message of chat completions: for the record. */
  message: HistoryItem;
}

/**
 * `answered`: the model called no tool. `client_calls`: the client has to run something. The
 * others: it was stopped.
 */
export type StopReason = "answered" | "client_calls" | "max_rounds" | "max_time" | "limit";

/** How a turn's loop ended. */
export interface LoopEnd {
  rounds: Round[];
  stopReason: StopReason;
  /** The last round's calls that are the client's to run. */
  clientCalls: ToolCall[];
  /**
   * What the client does not see, oldest first: answers with server calls, their results, and what
   * these show. As upstream's dialect spells it.
   */
  hidden: HistoryItem[];
  /** Whether the last round is among the hidden items: it called tools of both sides. */
  isMixed: boolean;
}

/** What the next upstream call must know. */
export interface LoopState {
  /** From 1. */
  round: number;
  /** Hidden items that follow the client's own, oldest first. */
  appended: HistoryItem[];
  /** Tools that failed too often in this turn. */
  withdrawn: ReadonlySet<string>;
  /** Whether this is the last round, in which the model may call nothing. */
  toolsEnded: boolean;
}

/**
 * How a round is put where an upstream refused the usual way for something that the proxy added.
 * Each member is a milder form; see `turn/milder-forms.ts`.
 */
export interface RoundForm {
  /** Usage is not asked for. */
  withoutUsage?: boolean;
  /** The proxy's own tools are not offered. */
  withoutTools?: boolean;
  /** Withdrawn tools stay defined, and may not be called. */
  keepsTools?: boolean;
  /** At most so many tools, the client's own first. */
  maxTools?: number;
  /** The model does not reason. */
  withoutReasoning?: boolean;
  /** What it reasoned in earlier rounds is not sent back. */
  withoutReasoningText?: boolean;
  /** What it reasons is not asked for in the form that a later round can take back. */
  withoutEncryptedReasoning?: boolean;
  /** Images and sounds of tools are not shown. */
  withoutMedia?: boolean;
  /** Members that only some servers know are left out, or are said in their older words. */
  commonMembers?: boolean;
}

/** What makes a round's body. */
export interface RoundPlan {
  state: LoopState;
  /**
   * Each server tool as upstream's dialect spells it, by name, in the order the model sees them.
   */
  offered: ReadonlyMap<string, string>;
  form: RoundForm;
}

/** How a round's answer is read. */
export interface RoundReading {
  /** Bytes after which it is given up. */
  maxBytes: number;
  /**
   * Hears of each event the moment it is there; what it gives back is waited for. Null where nobody
   * wants to hear: a whole answer of a client of the same dialect is made of the rounds.
   */
  onEvent: ((event: RoundEvent) => void | Promise<void>) | null;
  /** Hears of what has come so far, should the round be broken off. */
  onProgress(soFar: () => Round): void;
}

/** What a client's answer is made with. */
export interface AnswerParts {
  /** Writes to the client's stream; does nothing where the answer is whole. */
  write(bytes: Uint8Array): void | Promise<void>;
  /** The dialect that upstream is asked in. */
  upstream: string;
  /** Whether a call of that name is a server tool's, which the client does not see. */
  isServerTool(name: string): boolean;
  /** Whether the round that comes was offered no server tool, so that none can follow it. */
  isLastRound(): boolean;
  /** What upstream says of a failure, without the secrets that it repeats. */
  mask<T>(said: T): T;
  /** Hears of each text, and each part of a call, that the client is given. */
  onText(): void;
}

/** A turn as the client has it in its history. */
export interface MergedTurn {
  /** As one message of chat completions: for the record. */
  message: HistoryItem;
  finishReason: string;
  usage: Usage | null;
  /** Upstream's error, where the answer is one in the dialect's own form. */
  failure?: { message: string; code: string | null };
}

/** A client's answer while it is made of rounds: one stream, or one whole answer. */
export interface ClientAnswer {
  /** An event of a round, the moment it is there. */
  take(event: RoundEvent, round: number): void | Promise<void>;
  /** What the model is told of a server call, the moment it is known. */
  takeResult(result: CallResult, round: number): void | Promise<void>;
  /** Tells the client of what was held until the loop had ended, where something can be. */
  endItems?(): Promise<void>;
  /** All rounds as one, when the loop has ended. */
  merge(end: LoopEnd): MergedTurn | Promise<MergedTurn>;
  /** What came, where the turn is broken off. @param soFar of the round that did not end */
  mergeBrokenOff(rounds: Round[], soFar: Round | null): HistoryItem;
  /** Writes the end of a stream. */
  end(merged: MergedTurn): Promise<void>;
  /** The end of a stream that failed. @param error OpenAI's error object */
  failed(error: JsonObject): Uint8Array;
  /** The answer whole. */
  whole(merged: MergedTurn): JsonObject;
}

/** A request that a dialect has read: of a client, or made for an upstream. */
export interface DialectRequest {
  readonly dialect: Dialect;
  /** The body as it was spelled. */
  readonly text: string;
  readonly model: string | null;
  readonly stream: boolean;
  /** Entries of the history, as parsed. Empty where there is none: upstream will say so. */
  readonly history: unknown[];
  /** What the request says of its end user, as one text. */
  readonly endUser: string;
  /** Names of the client's own tools. */
  readonly clientTools: ReadonlySet<string>;
  /** Why the tool loop leaves the request alone, or null. */
  readonly leaveAlone: string | null;
  /** Whether a round asks upstream for usage that the client did not ask for. */
  readonly addsUsage: boolean;
  /** The same of reasoning that a later round can take back. */
  readonly addsEncryptedReasoning: boolean;
  /** How many server tools may be called in a turn; Infinity where the request does not say. */
  readonly maxCalls: number;
  /** What of it may decide whether upstream takes tools beside it, as one text. */
  readonly traits: string;

  /** Whether there is an answer in the history, so that something may be hidden in it. */
  hasAnswers(): boolean;
  /** The places of its history at which earlier turns may have ended. */
  hash(): Promise<History>;
  /**
   * The same request with hidden items in the place of the answers that the client saw; everything
   * else stays as spelled.
   * @param hidden JSON text of an array of items, by the index of the answer in whose place they go
   */
  restored(hidden: ReadonlyMap<number, string>): DialectRequest;
  /** Which kinds of media the client itself sends. */
  mediaSent(): ReadonlySet<ToolMedia["kind"]>;

  /** As upstream's: the body of a round. */
  roundBody(plan: RoundPlan): string;
  /**
   * As upstream's: reads a round's answer.
   * @throws UpstreamRefusal, UpstreamStreamError, ApiError
   */
  readRound(answer: OpenAnswer, reading: RoundReading): Promise<Round>;
  /** As the client's: begins its answer. */
  openAnswer(parts: AnswerParts): ClientAnswer;
}

/** A wire format. */
export interface Dialect {
  /** Its name, as settings and the table of translations know it. */
  name: string;
  /** Where its requests go, below an upstream's base URL. */
  path: string;
  /** Headers of a stream. */
  streamHeaders: Record<string, string>;
  /** A comment that keeps a quiet stream open; it stands between two events. */
  keepAlive: Uint8Array;
  /**
   * A request, or null where it is none: upstream will say what is wrong with it.
   * @param body the parsed text, where it was parsed before; null where it is no JSON
   */
  readRequest(text: string, body?: unknown): DialectRequest | null;
  /** Whether JSON is an answer of this dialect. */
  isAnswer(json: JsonObject): boolean;
  /** A tool's definition as JSON text, always spelled the same: upstream's cache lives on it. */
  spellTool(definition: JsonObject): string;
  /**
   * The entries that tell a model of a round's results: one for each call, and what follows them.
   */
  openResults(
    takes: (kind: ToolMedia["kind"]) => boolean,
  ): (results: CallResult[]) => HistoryItem[];
  /** What of a turn the client does not see, in the model's order; null where it saw everything. */
  hiddenOf(end: LoopEnd): HistoryItem[] | null;
  /** Whether an item shows images or sounds of tools. */
  showsMedia(item: HistoryItem): boolean;
  /** Hidden items as they are kept: with small media, and words in the place of large ones. */
  keptItems(items: HistoryItem[]): HistoryItem[];
  /**
   * Kept items by place as they are put back: with the media that the model takes.
   * @param hidden JSON texts of arrays of items
   */
  restoredItems(
    hidden: ReadonlyMap<number, string>,
    takes: (kind: ToolMedia["kind"]) => boolean,
  ): Map<number, string>;
  /** The same without media. @param hidden JSON text of an array of items */
  withoutMedia(hidden: string): string;
  /** Whether an item has what a model reasoned. */
  hasReasoning(item: HistoryItem): boolean;
  /** Kept items without that. @param hidden JSON text of an array of items */
  withoutReasoning(hidden: string): string;
  /** An item as the record has it: messages of chat completions. */
  recorded(item: HistoryItem): JsonObject[];
}

/** How requests and items of one dialect become those of another: one row of the table. */
export interface Translation {
  /** The client's dialect, and upstream's. */
  from: string;
  to: string;
  /**
   * Why a request cannot go there: a member without a counterpart, named, as the end of a sentence;
   * null where it can. Its history has what the client did not see.
   */
  refuses(request: DialectRequest): string | null;
  /** What of a request is left out there, a sentence each: for the record. */
  dropped(request: DialectRequest): string[];
  /** The text of a client's request as upstream's dialect has it. */
  request(request: DialectRequest): string;
  /** What upstream's dialect appended, as the client's dialect has it. */
  items(items: HistoryItem[]): HistoryItem[];
}
