/** A message as it is shown. */
import type { messages } from "../../drizzle/schema.ts";

/** With its content. */
export interface MessageDetail extends Omit<
  typeof messages.$inferSelect,
  "conversationId" | "position"
> {
  /** A text, an array of content parts, or null. */
  content: unknown;
  /** As the model sent them, or null. */
  toolCalls: unknown;
  /** Reasoning, refusal, name and what else the message had, or null. */
  extra: unknown;
}
