/** The answer of a turn to a client of the Responses API. */
import { isObject, objectsOf, textOrNull, type JsonObject } from "../../openai/json.ts";
import { addUsage, type Usage } from "../../openai/usage.ts";
import type {
  AnswerParts,
  CallResult,
  ClientAnswer,
  HistoryItem,
  LoopEnd,
  MergedTurn,
  Round,
  RoundEvent,
} from "../dialect.ts";
import { withoutCarried } from "./carried-reasoning.ts";
import { ClientOutput, type ShownItem } from "./client-output.ts";
import { failureOf } from "./failure-of.ts";
import { ForeignRounds } from "./foreign-rounds.ts";
import type { ItemEvent } from "./open-item.ts";
import { isOwnItem, newResponseId } from "./own-items.ts";
import { recordedAnswer, type ResponsesRound, type RoundOfResponse } from "./responses-round.ts";
import type { ResponsesRequest } from "./responses-request.ts";
import { ENCRYPTED_REASONING } from "./round-body.ts";
import { EventWriter } from "./write-events.ts";

/** A turn as a client of Responses has it. */
export interface MergedResponse extends MergedTurn {
  /** As the client gets it. */
  response: JsonObject;
  /** Ids of the rounds, as upstream knows them: none where it speaks another dialect. */
  upstreamIds: string[];
  /** What the model said in all rounds, under the ids that the client was given. */
  said: HistoryItem[];
}

/** Members that are one per turn: the first round's, as a stream has to have them. */
const ONCE_PER_TURN = ["created_at", "model", "max_tool_calls"];

/** What a response says that has not ended. */
const UNFINISHED: JsonObject = {
  error: null,
  incomplete_details: null,
  usage: null,
  completed_at: null,
};

/** An answer that another process began. */
export interface BegunAnswer {
  /** In seconds since 1970. */
  createdAt: number;
  /** The rounds that ended, and what was shown of them. */
  rounds: RoundOfResponse[];
  shown: ShownItem[];
  /** The number of the event that comes next. */
  sequence: number;
}

/** Members of a usage that the Responses API has. */
const USAGE = [
  "input_tokens",
  "input_tokens_details",
  "output_tokens",
  "output_tokens_details",
  "total_tokens",
];
/** What details say where upstream does not, and what chat completions call them. */
const DETAILS: [name: string, other: string, usual: JsonObject][] = [
  ["input_tokens_details", "prompt_tokens_details", { cached_tokens: 0, cache_write_tokens: 0 }],
  ["output_tokens_details", "completion_tokens_details", { reasoning_tokens: 0 }],
];

/** What clients are told that upstream did not count: some read no answer without a usage. */
const UNCOUNTED: Usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };

/** A sum of usage by its names in the Responses API. */
function spelledUsage(usage: Usage | null): JsonObject | null {
  if (usage === null) return null;
  const { prompt_tokens: input, completion_tokens: output } = usage;
  const named: JsonObject = { input_tokens: input, output_tokens: output, ...usage };
  const own = USAGE.filter((name) => Object.hasOwn(named, name)).map((name) => [name, named[name]]);
  const members = Object.fromEntries(own) as JsonObject;
  for (const [name, other, usual] of DETAILS) {
    const given = [members[name], usage[other]].find(isObject) ?? {};
    const counts = Object.entries(given).filter(([, count]) => count !== null);
    members[name] = { ...usual, ...Object.fromEntries(counts) };
  }
  return members;
}

const DONE = Promise.resolve();

/** The answer while it is made. */
export class ResponsesAnswer implements ClientAnswer {
  readonly #request: ResponsesRequest;
  readonly #id: string;
  /** Whether its items are told of as they come; else they are there when it ends. */
  readonly #isTold: boolean;
  #createdAt = Math.floor(Date.now() / 1000);
  readonly #mask: AnswerParts["mask"];
  readonly #output: ClientOutput;
  readonly #writer: EventWriter;
  /** Null where upstream speaks Responses too. */
  readonly #foreign: ForeignRounds | null;
  /** Whether a foreign round's items have their ends: they come before any result of it. */
  readonly #ended = new Map<number, Promise<void>>();
  /** Of calls whose items are not there yet: a whole answer has its items when it ends. */
  readonly #results: { result: CallResult; round: number }[] = [];
  /** What is the first round's, and one per turn. */
  #first: JsonObject | null = null;

  constructor(request: ResponsesRequest, parts: AnswerParts, own: string) {
    this.#request = request;
    const isForeign = parts.upstream !== own;
    this.#foreign = isForeign ? new ForeignRounds(request) : null;
    this.#id = request.backgroundId ?? newResponseId();
    this.#isTold = request.stream || request.backgroundId !== null;
    this.#mask = (said) => parts.mask(said);
    this.#output = new ClientOutput({
      responseId: this.#id,
      isServerTool: (name) => parts.isServerTool(name),
      showsEncrypted: request.include.includes(ENCRYPTED_REASONING),
    });
    this.#writer = new EventWriter({
      write: (bytes) => parts.write(bytes),
      output: this.#output,
      wantsJson: request.wantsJson,
      isLastRound: () => parts.isLastRound(),
      onText: () => parts.onText(),
      head: (status, upstream) => this.#response(status, upstream),
    });
  }

  async take(event: RoundEvent, round: number): Promise<void> {
    if (this.#foreign !== null) {
      const events = this.#foreign.add(event, round);
      if (this.#isTold) await this.#write(events, round);
      return;
    }
    if (event.type === "facts" && isObject(event.raw))
      this.#first ??= (event.raw["response"] ?? null) as JsonObject | null;
    if (event.raw !== undefined) await this.#writer.take(event.raw as ItemEvent, round);
  }

  async takeResult(result: CallResult, round: number): Promise<void> {
    if (!this.#isTold) {
      this.#results.push({ result, round });
      return;
    }
    await this.#endItems(round, null);
    await this.#writer.takeResult(result, round);
  }

  async merge({ rounds, clientCalls, isMixed }: LoopEnd): Promise<MergedResponse> {
    await this.#endRounds(rounds);
    const own = this.#own(rounds);
    const last = own.at(-1);
    if (last === undefined) throw new Error("A turn has at least one round");
    if (!this.#isTold) this.#collect(own, isMixed);
    const usage = own.reduce<Usage | null>((sum, round) => addUsage(sum, round.usage), null);
    const status = textOrNull(last.response["status"]) ?? "completed";
    const counted = usage ?? (this.#foreign === null ? null : UNCOUNTED);
    const members = { ...last.response, usage: spelledUsage(counted) };
    this.#first ??= own[0]?.response ?? {};
    const response = this.#writer.withOutput(this.#response(status, members));
    const usual = clientCalls.length > 0 ? "tool_calls" : "stop";
    const isWithheld = last.finishReason === "tool_calls" && clientCalls.length === 0;
    const { error } = last.response;
    const failure =
      status === "failed"
        ? {
            message: (isObject(error) && textOrNull(error["message"])) || "The response failed.",
            code: isObject(error) ? textOrNull(error["code"]) : null,
          }
        : null;
    return {
      message: this.#recorded(),
      finishReason: isWithheld ? "stop" : (last.finishReason ?? usual),
      usage,
      response,
      upstreamIds: own.map(({ response: { id } }) => textOrNull(id)).filter((id) => id !== null),
      said: own.flatMap(({ items }) => items).map(withoutCarried),
      ...(failure === null ? {} : { failure }),
    };
  }

  mergeBrokenOff(rounds: Round[], soFar: Round | null): HistoryItem {
    const all = soFar === null ? rounds : [...rounds, soFar];
    const items = this.#own(all).flatMap((round) => round.output);
    return recordedAnswer(items.filter((item) => !this.#output.isOwn(item)));
  }

  async end(merged: MergedTurn): Promise<void> {
    await this.#writer.end((merged as MergedResponse).response);
  }

  failed(error: JsonObject): Uint8Array {
    const failure = failureOf(error);
    this.#output.breakOff();
    return this.#writer.failed(error, this.#response("failed", { error: failure.error }));
  }

  whole(merged: MergedTurn): JsonObject {
    return (merged as MergedResponse).response;
  }

  #own(rounds: Round[]): ResponsesRound[] {
    const foreign = this.#foreign;
    if (foreign === null) return rounds as ResponsesRound[];
    return rounds.map((round, index) => foreign.round(index + 1, round));
  }

  async #write(events: ItemEvent[], round: number): Promise<void> {
    for (const event of events) await this.#writer.take(event, round);
  }

  /** Results come at the same time: each waits until the items of its round have ended. */
  #endItems(number: number, round: Round | null): Promise<void> {
    const events = () => this.#foreign?.end(number, round) ?? [];
    const write = (ended: ItemEvent[]) => (this.#isTold ? this.#write(ended, number) : DONE);
    const ending = this.#ended.get(number) ?? write(events());
    this.#ended.set(number, ending);
    return ending;
  }

  /** What a client has of the rounds before it is told that they have ended. */
  async #endRounds(rounds: Round[]): Promise<void> {
    for (const [index, round] of rounds.entries()) await this.#endItems(index + 1, round);
    if (this.#isTold) await this.#writer.endItems();
  }

  /** Tells that the response waits to be made in the background. */
  queue(): Promise<void> {
    return this.#writer.queue();
  }

  /** Tells that the response that waited is being made. */
  start(): Promise<void> {
    return this.#writer.start();
  }

  /** Goes on with an answer that another process began. */
  resume({ createdAt, rounds, shown, sequence }: BegunAnswer): void {
    this.#createdAt = createdAt;
    for (const [index, round] of rounds.entries()) this.#foreign?.resume(index + 1, round);
    this.#first = rounds[0]?.response ?? null;
    this.#output.resume(shown);
    this.#writer.resume(rounds.length, sequence);
  }

  /** What there is of the answer while it is made. */
  soFar(status: string): JsonObject {
    return this.#writer.withOutput(this.#response(status, null));
  }

  /** What was told of it: its items, and the number that comes next. */
  told(): { shown: readonly ShownItem[]; sequence: number } {
    return { shown: this.#output.items, sequence: this.#writer.sequence };
  }

  /** Rounds that ended, as a response has them. */
  roundsOf(rounds: Round[]): RoundOfResponse[] {
    return this.#own(rounds).map(({ output, response }) => ({ output, response }));
  }

  /** Tells that it was broken off, by a failure or by its client, and gives what it is then. */
  async breakOff(error: JsonObject | null): Promise<JsonObject> {
    this.#output.breakOff();
    const ended = error === null ? { status: "cancelled", error: null } : failureOf(error);
    const response = { ...this.soFar(ended.status), error: ended.error };
    await this.#writer.breakOff(error, response);
    return this.#writer.withOutput(response);
  }

  /**
   * The client's response, without its items.
   * @param upstream what a round says of it; null: as far as it is known
   */
  #response(status: string, upstream: JsonObject | null): JsonObject {
    if (upstream === null) return this.#spelled(status, UNFINISHED, this.#first ?? {});
    this.#first ??= upstream;
    return this.#spelled(status, upstream, this.#first);
  }

  #spelled(status: string, upstream: JsonObject, first: JsonObject): JsonObject {
    const once = ONCE_PER_TURN.filter((name) => Object.hasOwn(first, name)).map((name) => [
      name,
      first[name],
    ]);
    const { tools = this.#request.repeated["tools"], tool_choice: choice } = first;
    const isOurs = (tool: JsonObject) => this.#output.isOwn({ ...tool, type: "function_call" });
    const usual = { created_at: this.#createdAt, model: this.#request.model };
    const { error = null, incomplete_details = null } = upstream;
    const isBackground = this.#request.backgroundId !== null;
    return {
      ...usual,
      ...this.#request.repeated,
      ...(upstream === UNFINISHED ? first : {}),
      ...upstream,
      ...this.#mask({ error, incomplete_details }),
      ...(Object.fromEntries(once) as JsonObject),
      ...(isBackground ? { background: true, created_at: this.#createdAt } : {}),
      id: this.#id,
      object: "response",
      status,
      output: [],
      previous_response_id: this.#request.previousResponseId,
      tools: objectsOf(tools).filter((tool) => tool["type"] !== "function" || !isOurs(tool)),
      tool_choice: this.#request.toolChoice ?? choice ?? "auto",
    };
  }

  /**
   * The items of a whole answer. Where that must be one JSON document, it is of a round that called
   * no server tool, or could call none.
   */
  #collect(rounds: ResponsesRound[], isMixed: boolean): void {
    for (const [index, { output }] of rounds.entries()) {
      const isEnd = index === rounds.length - 1 && !isMixed;
      const calls = !isEnd && output.some((item) => this.#output.isOwn(item));
      const isShown = (item: JsonObject) =>
        !(this.#request.wantsJson && calls && item["type"] === "message");
      for (const [place, item] of output.entries()) {
        if (!isShown(item)) continue;
        this.#output.close(this.#output.open(index + 1, place, item), item);
      }
    }
    for (const { result, round } of this.#results) this.#output.result(result, round);
    this.#output.endLeft();
  }

  /** What the client sees, for the record; calls of server tools are there already. */
  #recorded(): HistoryItem {
    const items = this.#output.items.map(({ item }) => item);
    return recordedAnswer(items.filter((item) => !isOwnItem(item)));
  }
}
