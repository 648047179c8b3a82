import { v7 as uuidv7 } from "uuid";
import { ApiError } from "../openai/api-error.ts";
import { messageOf } from "../openai/error-message.ts";
import type { JsonObject } from "../openai/json.ts";
import { UpstreamRefusal, UpstreamStreamError } from "../openai/upstream-error.ts";
import type { TurnObserver } from "../record/turn-observer.ts";
import type { BodyDigest, RoundRecord, TurnRecord, TurnStatus } from "../record/turn-record.ts";

/** What is known of a turn when it is opened. */
export interface TurnStart {
  /** UUID version 7, the `x-proxy-request-id`. */
  id: string;
  /** The normalised path. */
  endpoint: string;
  /** The path whose bodies are on record, where it is another. */
  bodies?: string;
  apiKey: { id: string; name: string; logContent: "full" | "metadata" };
  /** When the request arrived, in milliseconds since 1970. */
  startedAt: number;
  observers: TurnObserver[];
}

/** How a turn ended. */
export interface TurnEnd {
  status: TurnStatus;
  /** Status of the response, where it is another than the one that was noted before. */
  httpStatus?: number;
  error?: string | null;
  errorCode?: string | null;
}

/** The conversation that a turn goes on in, as far as that is known when its answer begins. */
export interface JoinedConversation {
  parentTurnId: string;
  /** Null where another request goes on from the parent: then this one is a branch. */
  conversationId: string | null;
}

/** What the client asked for. */
export interface AskedRequest {
  /** The body as text, or null where it is none that is kept. */
  text: string | null;
  model?: string | null;
  streamed?: boolean;
}

/** An answer that was passed on as it came. */
export interface RelayedAnswer {
  response: TurnRecord["response"];
  digest?: BodyDigest;
}

/** What of a record grows round by round. */
export type TurnProgress = Pick<TurnRecord, "rounds" | "produced" | "toolExecutions">;

/** Where a turn belongs, as its client was told. */
export type TurnConversation = Pick<
  TurnRecord,
  "conversationId" | "isNamed" | "parentTurnId" | "isBranch"
>;

type ToolExecution = TurnRecord["toolExecutions"][number];
type HiddenRounds = NonNullable<TurnRecord["hiddenRounds"]>;

function emptyRecord({ id, endpoint, bodies, apiKey, startedAt }: TurnStart): TurnRecord {
  return {
    id,
    conversationId: uuidv7(),
    apiKeyId: apiKey.id,
    apiKeyName: apiKey.name,
    endpoint,
    ...(bodies === undefined ? {} : { bodies }),
    model: null,
    streamed: false,
    status: "completed",
    httpStatus: 200,
    error: null,
    errorCode: null,
    finishReason: null,
    loopStopReason: null,
    startedAt,
    durationMs: 0,
    timeToFirstTokenMs: null,
    request: null,
    response: null,
    produced: [],
    rounds: [],
    toolExecutions: [],
    toolsOffered: [],
    toolsShadowed: [],
    ...(apiKey.logContent === "metadata" ? { logContent: "metadata" } : {}),
  };
}

/** What an error says of a turn's end. `asked`: whether upstream was asked for something before. */
function endOf(error: unknown, asked: boolean): TurnEnd {
  const end: TurnEnd = { status: "failed", httpStatus: 500, error: messageOf(error) };
  if (error instanceof UpstreamRefusal)
    return { ...end, httpStatus: error.response.status, errorCode: error.code };
  if (error instanceof UpstreamStreamError) return { ...end, errorCode: error.code };
  if (!(error instanceof ApiError)) return { ...end, errorCode: "internal_error" };
  const { status, body } = error;
  const isRefusal = status < 500 && !asked;
  return {
    ...end,
    status: isRefusal ? "refused" : "failed",
    httpStatus: status,
    errorCode: body.error.code,
  };
}

/**
 * Everything between a client's request and the end of its response. It is the only writer of its
 * record, ends exactly once, and tells its observers of what happens.
 */
export class Turn {
  readonly #record: TurnRecord;
  readonly #observers: TurnObserver[];
  /** By the monotonic clock, in milliseconds. */
  readonly #since: number;
  #asked = false;
  #dialect: string | null = null;
  #ended = false;

  constructor(start: TurnStart) {
    this.#record = emptyRecord(start);
    this.#observers = start.observers;
    this.#since = performance.now() - Math.max(0, Date.now() - start.startedAt);
  }

  get id(): string {
    return this.#record.id;
  }
  /** What the client is told. */
  get conversationId(): string {
    return this.#record.conversationId;
  }
  /** Headers that name it to the client, and the dialect in which upstream was asked instead. */
  get headers(): Record<string, string> {
    const ids = { "x-proxy-conversation-id": this.conversationId };
    return this.#dialect === null ? ids : { ...ids, "x-proxy-upstream-dialect": this.#dialect };
  }
  /** The record as far as it is written: for reading alone. */
  get record(): Readonly<TurnRecord> {
    return this.#record;
  }
  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Where it belongs. */
  get conversation(): TurnConversation {
    const { conversationId, isNamed, parentTurnId, isBranch } = this.#record;
    return {
      conversationId,
      ...(isNamed === undefined ? {} : { isNamed }),
      ...(parentTurnId === undefined ? {} : { parentTurnId }),
      ...(isBranch === undefined ? {} : { isBranch }),
    };
  }

  /** The client named the conversation itself. */
  named(conversationId: string): void {
    this.#record.isNamed = true;
    this.#record.conversationId = conversationId;
  }

  /** The turn that this one goes on from was found. */
  joined({ parentTurnId, conversationId }: JoinedConversation): void {
    this.#record.parentTurnId = parentTurnId;
    if (conversationId === null) this.#record.isBranch = true;
    else this.#record.conversationId = conversationId;
  }

  /** What the client asked for was read. */
  requested({ text, model, streamed }: AskedRequest): void {
    this.#record.request = text;
    if (model !== undefined) this.#record.model = model;
    if (streamed !== undefined) this.#record.streamed = streamed;
  }

  /** What was sent is no text that is kept. */
  sent(digest: BodyDigest): void {
    this.#record.requestDigest = digest;
  }

  /** A model was seen in passing, which counts where the request was not read, or names none. */
  modelSeen(model: string): void {
    this.#record.seenModel = model;
  }

  /** What the model is offered of the key's tools, by name, and what tools of the client hide. */
  offered(tools: string[], shadowed: string[]): void {
    this.#record.toolsOffered = tools;
    this.#record.toolsShadowed = shadowed;
  }

  /** Hidden items were put back into the client's history: JSON texts of arrays. */
  restored(items: string[]): void {
    if (items.length > 0) this.#record.restored = items;
  }

  /** An earlier answer is given again. */
  cached(): void {
    this.#record.cached = true;
  }

  /**
   * Upstream is asked.
   * @param upstream base URL
   * @param dialect in which it is asked, where that is not the client's; else null
   */
  roundBegan(upstream: string, dialect: string | null = null): void {
    this.#asked = true;
    this.#record.upstream = upstream;
    this.#dialect = dialect;
  }

  /** The first byte of an answer is there, or its first text; later calls change nothing. */
  firstToken(): void {
    this.#record.timeToFirstTokenMs ??= this.#elapsed();
  }

  /**
   * One upstream call ended, or was broken off.
   * @param addedTools JSON texts of the tools that were added, where tokens are counted here
   */
  roundEnded(round: RoundRecord, addedTools: string[] = []): void {
    this.#record.rounds.push(round);
    if (round.received !== undefined && addedTools.length > 0)
      this.#record.addedTools ??= addedTools;
    for (const observer of this.#observers) observer.roundEnded?.(this.#record);
  }

  /** A tool ran. */
  toolRan(execution: ToolExecution): void {
    this.#record.toolExecutions.push(execution);
  }

  /** A message that the client did not send. */
  produced(message: JsonObject, place: { round: number; hidden: boolean }): void {
    this.#record.produced.push({ message, ...place });
  }

  /** Hidden messages turned out not to reach the model. */
  withdrew(isWithdrawn: (message: JsonObject, round: number) => boolean): void {
    this.#record.produced = this.#record.produced.filter(
      ({ message, round }) => !isWithdrawn(message, round),
    );
  }

  /** What of the turn the client did not see could not be kept at once: it goes with the record. */
  keepsHidden(hidden: HiddenRounds): void {
    this.#record.hiddenRounds = hidden;
  }

  /** A response could not be kept at once: it goes with the record. */
  keepsResponse(kept: NonNullable<TurnRecord["keptResponse"]>): void {
    this.#record.keptResponse = kept;
  }

  /** What it did in a process before this one. */
  resumed(conversation: TurnConversation, progress: TurnProgress[]): void {
    const record = Object.assign(this.#record, conversation);
    this.#asked = progress.length > 0;
    for (const { rounds, produced, toolExecutions } of progress) {
      record.rounds.push(...rounds);
      record.produced.push(...produced);
      record.toolExecutions.push(...toolExecutions);
    }
  }

  /** Where the turn is in its client's history. */
  placed(placed: NonNullable<TurnRecord["placed"]>): void {
    this.#record.placed = placed;
  }

  /** The tool loop ended. */
  looped(end: { finishReason: string | null; stopReason: string | null }): void {
    this.#record.finishReason = end.finishReason;
    this.#record.loopStopReason = end.stopReason;
  }

  /** Upstream's answer has this status, and is passed on with it. */
  answered(httpStatus: number): void {
    this.#record.httpStatus = httpStatus;
  }

  /** What of an answer that was passed on is kept. */
  relayed({ response, digest }: RelayedAnswer): void {
    this.#record.response = response;
    if (digest !== undefined) this.#record.responseDigest = digest;
  }

  /**
   * Ends the turn. The first cause wins: later calls change nothing. What it gives back settles
   * when the record is safe.
   */
  ended({ status, httpStatus, error, errorCode }: TurnEnd): void | Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const record = this.#record;
    record.status = status;
    record.error = error ?? null;
    record.errorCode = errorCode ?? null;
    record.durationMs = this.#elapsed();
    if (httpStatus !== undefined) record.httpStatus = httpStatus;
    const waits = this.#observers.map((observer) => observer.ended?.(record));
    const promises = waits.filter((wait) => wait !== undefined);
    if (promises.length > 0) return Promise.all(promises).then(() => undefined);
  }

  /** Another process goes on with it, and ends it: here nothing more is said of it. */
  async left(): Promise<void> {
    this.#ended = true;
    for (const observer of this.#observers) await observer.left?.();
  }

  /**
   * Ends the turn by what was thrown in it.
   * @param isCancelled whether the client has gone away
   * @param httpStatus of the answer, where it had begun
   */
  endedBy(error: unknown, isCancelled: boolean, httpStatus?: number): void | Promise<void> {
    const end = endOf(error, this.#asked);
    const seen = httpStatus === undefined ? end : { ...end, httpStatus };
    if (!isCancelled) return this.ended(seen);
    return this.ended({ ...seen, status: "cancelled", error: null, errorCode: null });
  }

  #elapsed(): number {
    return Math.max(0, Math.round(performance.now() - this.#since));
  }
}
