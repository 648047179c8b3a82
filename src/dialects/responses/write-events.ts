/**
 * Writes the rounds of a turn as one stream of events: one lifecycle, one count, one id per item.
 */
import type { JsonObject } from "../../openai/json.ts";
import type { CallResult } from "../dialect.ts";
import type { ClientOutput, ShownItem } from "./client-output.ts";
import type { ItemEvent } from "./open-item.ts";

const encoder = new TextEncoder();

/** A comment that keeps a quiet connection open; it stands between two events. */
export const KEEP_ALIVE = encoder.encode(": keep-alive\n\n");

/** What a writer needs. */
interface WriterOptions {
  write(bytes: Uint8Array): void | Promise<void>;
  output: ClientOutput;
  wantsJson: boolean;
  /** Whether no round can follow the one that comes. */
  isLastRound(): boolean;
  /** Hears of each text, and each part of a call, that the client is given. */
  onText(): void;
  /**
   * The client's response.
   * @param status of it
   * @param upstream what upstream says of it; null: nothing yet
   */
  head(status: string, upstream: JsonObject | null): JsonObject;
}

type Written = void | Promise<void>;

/** What ends a response, by its status. */
const END_EVENTS = new Map([
  ["incomplete", "response.incomplete"],
  ["failed", "response.failed"],
  ["cancelled", "response.failed"],
]);

/** The type of the event that a response ends with. */
export const endEventOf = (response: JsonObject): string =>
  END_EVENTS.get(String(response["status"])) ?? "response.completed";

/** An event as the API writes it, under a number. */
export function eventBytes(
  { type, sequence_number: _upstream, ...members }: ItemEvent,
  sequence: number,
): Uint8Array {
  const event = { type, sequence_number: sequence, ...members };
  return encoder.encode(`event: ${type}\ndata: ${JSON.stringify(event)}\n\n`);
}

/** Writes events. */
export class EventWriter {
  readonly #options: WriterOptions;
  #sequence = 0;
  #hasBegun = false;
  /** Events of a round that may turn out not to be the client's. */
  #held: { event: ItemEvent; round: number }[] = [];
  #isHolding = false;
  /** The round in which the model has called a server tool: its texts are not the client's. */
  #dropped = 0;
  #round = 1;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }
  /** The number of the event that comes next. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The response waits to be made. */
  async queue(): Promise<void> {
    this.#hasBegun = true;
    const response = { ...this.#options.head("queued", null), output: [] };
    await this.#write({ type: "response.created", response });
    await this.#write({ type: "response.queued", response });
  }

  /** The response that waited is being made. */
  async start(): Promise<void> {
    const response = { ...this.#options.head("in_progress", null), output: [] };
    await this.#write({ type: "response.in_progress", response });
  }

  /** Goes on with a stream that another writer began. */
  resume(round: number, sequence: number): void {
    this.#hasBegun = true;
    this.#round = Math.max(1, round);
    this.#sequence = sequence;
  }

  /** An event of a round. */
  async take(event: ItemEvent, round: number): Promise<void> {
    if (event.type === "response.created") {
      if (!this.#hasBegun) await this.#begin((event["response"] ?? {}) as JsonObject);
      return;
    }
    if (round !== this.#round) {
      this.#round = round;
      await this.release();
    }
    if (this.#options.wantsJson) return this.#hold(event, round);
    await this.#forward(event, round);
  }

  /** A call's result: its item ends. */
  async takeResult(result: CallResult, round: number): Promise<void> {
    if (!this.#hasBegun) return;
    // Whatever of the round is held, the call was announced before.
    await this.release();
    const shown = this.#options.output.result(result, round);
    if (shown !== undefined) await this.#writeOwnEnd(shown);
  }

  /** The end of the stream. */
  async end(response: JsonObject): Promise<void> {
    if (!this.#hasBegun) await this.#begin(response);
    await this.endItems();
    const type = endEventOf(response);
    await this.#write({ type, response: this.withOutput(response) });
  }

  /** No round follows: what was held is told, and what has no end yet gets one. */
  async endItems(): Promise<void> {
    await this.release();
    for (const shown of this.#options.output.endLeft()) await this.#writeOwnEnd(shown);
  }

  /** The end of a stream that failed, as bytes. */
  failed(error: JsonObject, response: JsonObject): Uint8Array {
    const told = this.#bytes(errorEvent(error));
    if (!this.#hasBegun) return told;
    const end = this.#bytes({ type: "response.failed", response: this.withOutput(response) });
    const both = new Uint8Array(told.byteLength + end.byteLength);
    both.set(told);
    both.set(end, told.byteLength);
    return both;
  }

  /**
   * The end of a response that was broken off.
   * @param error OpenAI's error object; null: its client did it
   */
  async breakOff(error: JsonObject | null, response: JsonObject): Promise<void> {
    if (error !== null) await this.#write(errorEvent(error));
    const end = this.withOutput(response);
    await this.#write({ type: "response.failed", response: end });
  }

  /** A response with what the client has seen of its items. */
  withOutput(response: JsonObject): JsonObject {
    return { ...response, output: this.#options.output.items.map(({ item }) => item) };
  }

  async #begin(upstream: JsonObject): Promise<void> {
    this.#hasBegun = true;
    const response = { ...this.#options.head("in_progress", upstream), output: [] };
    await this.#write({ type: "response.created", response });
    await this.#write({ type: "response.in_progress", response });
  }

  /**
   * Where the answer must be one JSON document only the last round's is the client's, and which one
   * is the last is certain when it has ended, or has called a server tool.
   */
  async #hold(event: ItemEvent, round: number): Promise<void> {
    const { output, isLastRound } = this.#options;
    const item = event["item"] as JsonObject | undefined;
    if (item !== undefined && output.isOwn(item) && this.#dropped !== round) {
      this.#dropped = round;
      await this.release();
    }
    const isText = item?.["type"] === "message";
    if (isText && this.#dropped !== round && !isLastRound()) this.#isHolding = true;
    if (this.#isHolding) this.#held.push({ event, round });
    else await this.#forward(event, round);
  }

  /** Writes what was held, without the texts of a round that has called a server tool. */
  async release(): Promise<void> {
    this.#isHolding = false;
    for (const { event, round } of this.#held.splice(0)) await this.#forward(event, round);
  }

  #forward(event: ItemEvent, round: number): Written {
    const place = event["output_index"];
    if (typeof place !== "number") return this.#write(event);
    const item = event["item"] as JsonObject | undefined;
    if (event.type === "response.output_item.added" && item !== undefined)
      return this.#open(event, item, { round, place });
    const shown = this.#options.output.find(round, place);
    if (shown === undefined) return;
    if (event.type === "response.output_item.done" && item !== undefined)
      return this.#close(event, item, shown);
    if (shown.callId !== null) return this.#writeOwnPiece(event, shown);
    this.#options.output.grow(shown, event);
    const isText = event.type.endsWith(".delta");
    if (isText) this.#options.onText();
    return this.#write({ ...event, output_index: shown.index, item_id: shown.id });
  }

  async #open(
    event: ItemEvent,
    item: JsonObject,
    { round, place }: { round: number; place: number },
  ): Promise<void> {
    if (item["type"] === "message" && this.#dropped === round) return;
    const shown = this.#options.output.open(round, place, item);
    shown.numbers = { added: this.#sequence };
    await this.#write({ ...event, output_index: shown.index, item: shown.item });
    if (shown.callId === null) return;
    this.#options.onText();
    await this.#write({ type: "response.mcp_call.in_progress", ...placeOf(shown) });
  }

  #close(event: ItemEvent, item: JsonObject, shown: ShownItem): Written {
    this.#options.output.close(shown, item);
    if (shown.callId !== null) return;
    shown.numbers = { ...shown.numbers, done: this.#sequence };
    return this.#write({ ...event, output_index: shown.index, item: shown.item });
  }

  /** Arguments of a server tool. Missing ones are `{}`: its pieces are what it says at its end. */
  async #writeOwnPiece(event: ItemEvent, shown: ShownItem): Promise<void> {
    const { delta, arguments: args } = event;
    const place = placeOf(shown);
    if (event.type === "response.function_call_arguments.delta")
      return this.#write({ type: "response.mcp_call_arguments.delta", delta, ...place });
    if (event.type !== "response.function_call_arguments.done") return;
    if (args === "")
      await this.#write({ type: "response.mcp_call_arguments.delta", delta: "{}", ...place });
    const whole = args === "" ? "{}" : args;
    await this.#write({ type: "response.mcp_call_arguments.done", arguments: whole, ...place });
  }

  async #writeOwnEnd(shown: ShownItem): Promise<void> {
    const type = `response.mcp_call.${String(shown.item["status"])}`;
    await this.#write({ type, ...placeOf(shown) });
    const { index: output_index, item } = shown;
    shown.numbers = { ...shown.numbers, done: this.#sequence };
    await this.#write({ type: "response.output_item.done", output_index, item });
  }

  #write(event: ItemEvent): Written {
    return this.#options.write(this.#bytes(event));
  }

  #bytes(event: ItemEvent): Uint8Array {
    return eventBytes(event, this.#sequence++);
  }
}

const placeOf = ({ index, id }: ShownItem) => ({ output_index: index, item_id: id });

/**
 * An error as an event. Upstreams have codes that are numbers.
 * @param error OpenAI's error object
 */
function errorEvent(error: JsonObject): ItemEvent {
  const { code: given = null, message = "", param = null } = error;
  const code = typeof given === "number" ? String(given) : given;
  return { type: "error", code, message, param, error };
}
