/** Rounds of an upstream that speaks another dialect, as chat completions have them. */
import type { JsonObject } from "../../openai/json.ts";
import type { CollectedPart } from "../../openai/collect-chat-chunks.ts";
import { EMPTY_PART } from "../../openai/read-chunk.ts";
import type { TrackedCall } from "../../openai/track-calls.ts";
import type { CallProgress, Round, RoundEvent } from "../dialect.ts";
import { chatRound, type ChatRound } from "./chat-round.ts";

/** What came of one round. */
interface Collected {
  texts: Record<string, string>;
  calls: TrackedCall[];
}

/** The fields of chat completions for texts. */
const FIELDS = { content: "content", refusal: "refusal", reasoning: "reasoning_content" } as const;

/** As the forwarder of calls knows one: by its pieces. */
const trackedCall = ({ id, name, pieces, settled }: CallProgress): TrackedCall => ({
  id,
  type: "function",
  name,
  text: "",
  pieces: [...pieces],
  others: [],
  settled,
});

/** Collects the events of foreign rounds, and gives each as a chunk. */
export class ForeignRounds {
  readonly #model: string;
  readonly #rounds = new Map<number, Collected>();

  /** @param model that the client asked for */
  constructor(model: string) {
    this.#model = model;
  }

  /** An event as the part of a chunk. */
  add(event: RoundEvent, round: number): CollectedPart {
    const known = this.#of(round);
    if (event.type === "calls") {
      // A call that is known stays the same object: that is what its stream knows it by.
      for (const [index, call] of event.calls.entries()) {
        known.calls[index] = Object.assign(known.calls[index] ?? {}, trackedCall(call));
      }
    }
    const part = { ...EMPTY_PART, choice: {}, calls: known.calls };
    if (event.type !== "text") return part;
    const field = FIELDS[event.field];
    known.texts[field] = (known.texts[field] ?? "") + event.text;
    return { ...part, delta: { [field]: event.text } };
  }

  /** A foreign round as one of chat completions. @param number from 1 */
  round(number: number, { calls, finishReason, usage }: Round): ChatRound {
    const { texts } = this.#of(number);
    const spelled = calls.map(({ id, name, arguments: text }) => ({
      id,
      type: "function",
      function: { name, arguments: text },
    }));
    const message: JsonObject = {
      role: "assistant",
      content: null,
      ...texts,
      ...(spelled.length > 0 ? { tool_calls: spelled } : {}),
    };
    return chatRound({ message, finishReason, usage, logprobs: null }, this.#completion());
  }

  #completion(): JsonObject {
    return {
      id: `chatcmpl-${crypto.randomUUID().replaceAll("-", "")}`,
      object: "chat.completion",
      created: Math.floor(Date.now() / 1000),
      model: this.#model,
      choices: [{ index: 0 }],
    };
  }

  #of(round: number): Collected {
    const known = this.#rounds.get(round) ?? { texts: {}, calls: [] };
    this.#rounds.set(round, known);
    return known;
  }
}
