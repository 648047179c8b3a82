import { messageOf } from "../openai/error-message.ts";
import type { JsonObject } from "../openai/json.ts";
import {
  storedMessage,
  unreadMessage,
  type MessagePlace,
  type StoredMessage,
} from "./stored-message.ts";

/** Reads parts of a record. What one of them throws leaves out that part alone. */
export class PartReader {
  /** Why parts were left out, a sentence each. */
  readonly faults: string[] = [];

  read<T>(part: string, read: () => T, otherwise: T): T {
    try {
      return read();
    } catch (error) {
      this.#note(part, error);
      return otherwise;
    }
  }

  async await<T>(part: string, read: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      return await read();
    } catch (error) {
      this.#note(part, error);
      return otherwise;
    }
  }

  messages(messages: JsonObject[], place: MessagePlace): StoredMessage[] {
    return messages.map((message) =>
      this.read("A message", () => storedMessage(message, place), unreadMessage(message, place)),
    );
  }

  #note(part: string, error: unknown): void {
    const fault = `${part} could not be read: ${messageOf(error)}`;
    if (!this.faults.includes(fault)) this.faults.push(fault);
  }
}
