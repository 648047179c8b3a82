/**
 * What a connection knows of its own responses, so that one can be gone on from which nobody keeps
 * (`store: false`). Nothing of it outlives the connection.
 */
import { inputText } from "../dialects/responses/round-body.ts";
import { parseJson } from "../openai/json.ts";
import { memberText, readElements, setMembers } from "../openai/json-object-text.ts";
import type { CreateEvent } from "./client-event.ts";
import type { EndedResponse } from "./relay-answer.ts";

/** A response, as what comes before the next one's input. */
export interface KnownResponse {
  id: string;
  /** The response before these items that is kept elsewhere; null: there is none. */
  baseId: string | null;
  /** JSON texts. */
  items: string[];
}

const sizeOf = ({ items }: KnownResponse): number =>
  items.reduce((size, item) => size + item.length, 0);

/** Without its sealed words nobody but who keeps it knows what was reasoned. */
function isUnknownElsewhere(item: string): boolean {
  if (memberText(item, "type") !== '"reasoning"') return false;
  return memberText(item, "encrypted_content")?.startsWith('"') !== true;
}

/** The request that an event asks for, where its previous response is known. */
export function goingOn({ text }: CreateEvent, { baseId, items }: KnownResponse): string {
  const own = readElements(inputText(text));
  return setMembers(text, {
    previous_response_id: baseId === null ? undefined : JSON.stringify(baseId),
    input: `[${[...items, ...own].join(",")}]`,
  });
}

/**
 * What a response that nobody keeps leaves for the next one.
 * @param sent the request
 */
export function leftBy({ id, output }: EndedResponse, sent: string): KnownResponse {
  const previous = parseJson(memberText(sent, "previous_response_id") ?? "null");
  const given = readElements(output).filter((item) => !isUnknownElsewhere(item));
  return {
    id,
    baseId: typeof previous === "string" ? previous : null,
    items: [...readElements(inputText(sent)), ...given],
  };
}

/** The latest response of each lane. */
export class KnownResponses {
  readonly #maxLength: number;
  /** By lane, the oldest first. */
  readonly #latest = new Map<string | null, KnownResponse>();

  /** @param maxLength of all items, in characters: the oldest are forgotten */
  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  find(id: string | null): KnownResponse | null {
    return [...this.#latest.values()].find((known) => known.id === id) ?? null;
  }

  /** @param known null: the lane's latest response is kept elsewhere */
  note(streamId: string | null, known: KnownResponse | null): void {
    this.#latest.delete(streamId);
    if (known === null) return;
    this.#latest.set(streamId, known);
    let length = [...this.#latest.values()].reduce((sum, one) => sum + sizeOf(one), 0);
    for (const [lane, oldest] of this.#latest) {
      if (length <= this.#maxLength) return;
      this.#latest.delete(lane);
      length -= sizeOf(oldest);
    }
  }
}
