/** Rounds of an upstream that speaks another dialect, as Responses have them. */
import type { AnswerFacts, Round, RoundEvent } from "../dialect.ts";
import type { JsonObject } from "../../openai/json.ts";
import { failureOf } from "./failure-of.ts";
import { ForeignRound, type ToolsByName } from "./foreign-round.ts";
import type { ItemEvent } from "./open-item.ts";
import { plainTools } from "./plain-tools.ts";
import type { ResponsesRequest } from "./responses-request.ts";
import { responsesRound, type ResponsesRound, type RoundOfResponse } from "./responses-round.ts";

/** Why an answer is not whole, by the reason for which its round ended. */
const INCOMPLETE = new Map([
  ["length", "max_output_tokens"],
  ["content_filter", "content_filter"],
]);

/** What a response says of how its round ended. */
function endOf({ finishReason, failure }: Round): JsonObject {
  if (failure !== undefined) return { ...failureOf(failure), incomplete_details: null };
  const reason = INCOMPLETE.get(finishReason ?? "");
  if (reason === undefined) return { status: "completed", incomplete_details: null };
  return { status: "incomplete", incomplete_details: { reason } };
}

/** The members of a response for what upstream says of an answer. */
function membersOf({ model, createdAt, serviceTier }: AnswerFacts): JsonObject {
  return {
    ...(model === undefined ? {} : { model }),
    ...(createdAt === undefined ? {} : { created_at: createdAt }),
    ...(serviceTier === undefined ? {} : { service_tier: serviceTier }),
  };
}

/** Whether an answer's last item is not whole; a call can be, though its answer is not. */
function isCut(round: Round): boolean {
  if (round.failure !== undefined) return true;
  if (!INCOMPLETE.has(round.finishReason ?? "")) return false;
  return round.calls.at(-1)?.isCut ?? true;
}

/** Collects the events of foreign rounds, and gives each as its own dialect has it. */
export class ForeignRounds {
  readonly #tools: ToolsByName;
  readonly #rounds = new Map<number, ForeignRound>();
  /** Rounds that were done before. */
  readonly #resumed = new Map<number, RoundOfResponse>();

  constructor({ repeated, inputTools }: Pick<ResponsesRequest, "repeated" | "inputTools">) {
    const tools = plainTools(repeated["tools"], inputTools);
    this.#tools = new Map(tools.map((tool) => [tool.name, tool]));
  }

  /** A round that another process had. @param round as its client was told of it */
  resume(number: number, round: RoundOfResponse): void {
    this.#resumed.set(number, round);
  }

  /** An event of a round, as events that a client can be sent. */
  add(event: RoundEvent, number: number): ItemEvent[] {
    const known = this.#rounds.get(number);
    const round = known ?? this.#open(number);
    const events = round.add(event);
    const begun = { type: "response.created", response: membersOf(round.facts) };
    return known === undefined ? [begun, ...events] : events;
  }

  /** The end of a round's items. @param round where it is known already */
  end(number: number, round: Round | null): ItemEvent[] {
    return this.#rounds.get(number)?.end(round !== null && isCut(round)) ?? [];
  }

  /** A foreign round as one of Responses. @param number from 1 */
  round(number: number, round: Round): ResponsesRound {
    const resumed = this.#resumed.get(number);
    const collected = this.#rounds.get(number) ?? this.#open(number);
    const { finishReason, usage, model } = round;
    const response = resumed?.response ?? { ...membersOf(collected.facts), ...endOf(round) };
    const items = resumed?.output ?? collected.items;
    return { ...responsesRound(items, response), finishReason, usage, model };
  }

  #open(number: number): ForeignRound {
    const round = new ForeignRound(this.#tools);
    this.#rounds.set(number, round);
    return round;
  }
}
