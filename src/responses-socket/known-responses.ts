/**
 * What a connection knows of its own responses, so that one can be gone on from which nobody keeps
 * (`store: false`). Nothing of it outlives the connection.
 */
import { inputText } from "../dialects/responses/round-body.ts";
import { memorySlot, type Memory } from "../memory.ts";
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

const lengthOf = (known: KnownResponse | null | undefined): number =>
  known?.items.reduce((length, item) => length + item.length, 0) ?? 0;

/** Without words, sealed ones or plain, nobody but who keeps it knows what was reasoned. */
function isUnknownElsewhere(item: string): boolean {
  if (memberText(item, "type") !== '"reasoning"') return false;
  const isSealed = memberText(item, "encrypted_content")?.startsWith('"') === true;
  const content = memberText(item, "content") ?? "";
  return !isSealed && (!content.startsWith("[") || readElements(content).length === 0);
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

/** What all connections know, in characters. */
const MAX_LENGTH = 32 * 1024 * 1024;

/** Who knows something, the one that learnt last at the end. */
interface Knowing {
  connections: Set<KnownResponses>;
  length: number;
}

const knowing = memorySlot((): Knowing => ({ connections: new Set(), length: 0 }));

/** The latest response of each lane of a connection. */
export class KnownResponses {
  readonly #all: Knowing;
  readonly #latest = new Map<string | null, KnownResponse>();

  constructor(memory: Memory) {
    this.#all = knowing.of(memory);
  }

  find(id: string | null): KnownResponse | null {
    return [...this.#latest.values()].find((known) => known.id === id) ?? null;
  }

  /** @param known null: the lane's latest response is kept elsewhere */
  note(streamId: string | null, known: KnownResponse | null): void {
    const { connections } = this.#all;
    this.#replace(streamId, known);
    connections.delete(this);
    connections.add(this);
    // Whoever is forgotten is told that there is no such response, and sends what it has.
    for (const oldest of connections) {
      if (this.#all.length <= MAX_LENGTH) return;
      oldest.forget();
    }
  }

  /** Forgets all. */
  forget(): void {
    for (const lane of this.#latest.keys()) this.#replace(lane, null);
    this.#all.connections.delete(this);
  }

  #replace(streamId: string | null, known: KnownResponse | null): void {
    const before = this.#latest.get(streamId);
    this.#all.length += lengthOf(known) - lengthOf(before);
    if (known === null) this.#latest.delete(streamId);
    else this.#latest.set(streamId, known);
  }
}
