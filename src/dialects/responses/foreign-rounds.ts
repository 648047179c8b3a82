/** Rounds of an upstream that speaks another dialect, as Responses have them. */
import type { Round, RoundEvent } from "../dialect.ts";
import type { JsonObject } from "../../openai/json.ts";
import { eventsOfMessage, ForeignRound, type ToolsByName } from "./foreign-round.ts";
import type { ItemEvent } from "./open-item.ts";
import { plainTools } from "./plain-tools.ts";
import { responsesRound, type ResponsesRound } from "./responses-round.ts";

/** Why an answer is not whole, by the reason for which its round ended. */
const INCOMPLETE = new Map([
  ["length", "max_output_tokens"],
  ["content_filter", "content_filter"],
]);

/** What a response says of how its round ended. */
function endOf({ finishReason }: Round): JsonObject {
  const reason = INCOMPLETE.get(finishReason ?? "");
  if (reason === undefined) return { status: "completed", incomplete_details: null };
  return { status: "incomplete", incomplete_details: { reason } };
}

/** Whether an answer's last item is not whole; a call can be, though its answer is not. */
function isCut(round: Round): boolean {
  if (!INCOMPLETE.has(round.finishReason ?? "")) return false;
  return round.calls.at(-1)?.isCut ?? true;
}

/** Collects the events of foreign rounds, and gives each as its own dialect has it. */
export class ForeignRounds {
  readonly #tools: ToolsByName;
  readonly #rounds = new Map<number, ForeignRound>();

  /** @param tools of the client's request */
  constructor(tools: unknown) {
    this.#tools = new Map(plainTools(tools).map((tool) => [tool.name, tool]));
  }

  /** An event of a round, as events that a client can be sent. */
  add(event: RoundEvent, number: number): ItemEvent[] {
    const known = this.#rounds.get(number);
    const round = known ?? new ForeignRound(this.#tools);
    this.#rounds.set(number, round);
    const begun = known === undefined ? [{ type: "response.created", response: {} }] : [];
    return [...begun, ...round.add(event)];
  }

  /** The end of a round's items. @param round where it is known already */
  end(number: number, round: Round | null): ItemEvent[] {
    return this.#rounds.get(number)?.end(round !== null && isCut(round)) ?? [];
  }

  /**
   * A foreign round as one of Responses. One of which no event was heard is what its message says.
   * @param number from 1
   */
  round(number: number, round: Round): ResponsesRound {
    const known = this.#rounds.get(number);
    const collected = known ?? new ForeignRound(this.#tools);
    if (known === undefined) {
      for (const event of eventsOfMessage(round.message)) collected.add(event);
      collected.end(isCut(round));
      this.#rounds.set(number, collected);
    }
    const { finishReason, usage, model } = round;
    const own = responsesRound(collected.items, endOf(round));
    return { ...own, finishReason, usage, model };
  }
}
