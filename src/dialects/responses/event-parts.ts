/**
 * The parts of items that come in pieces, and the events that they come in: a row for each kind.
 */
import type { JsonObject } from "../../openai/json.ts";
import type { RoundEvent } from "../dialect.ts";

/** One kind of part. */
export interface PartKind {
  type: string;
  /** The type of the item that has such parts, and the member in which it has them. */
  item: "message" | "reasoning";
  member: "content" | "summary";
  /** The member of events that counts the parts. */
  index: "content_index" | "summary_index";
  /** Its text's member. */
  text: "text" | "refusal";
  /** Names of its events. */
  added: string;
  delta: string;
  done: string;
  partDone: string;
  /** What an event of a piece has beside it. */
  beside: JsonObject;
  /** What it is to clients of other dialects. */
  field: Extract<RoundEvent, { type: "text" }>["field"];
  /** The part before it has text. */
  empty: JsonObject;
}

const CONTENT = {
  member: "content",
  index: "content_index",
  added: "response.content_part.added",
  partDone: "response.content_part.done",
} as const;

/** In the order in which a part without a type is guessed. */
export const PART_KINDS: PartKind[] = [
  {
    ...CONTENT,
    type: "output_text",
    item: "message",
    text: "text",
    delta: "response.output_text.delta",
    done: "response.output_text.done",
    beside: { logprobs: [] },
    field: "content",
    empty: { type: "output_text", annotations: [], logprobs: [], text: "" },
  },
  {
    ...CONTENT,
    type: "refusal",
    item: "message",
    text: "refusal",
    delta: "response.refusal.delta",
    done: "response.refusal.done",
    beside: {},
    field: "refusal",
    empty: { type: "refusal", refusal: "" },
  },
  {
    ...CONTENT,
    type: "reasoning_text",
    item: "reasoning",
    text: "text",
    delta: "response.reasoning_text.delta",
    done: "response.reasoning_text.done",
    beside: {},
    field: "reasoning",
    empty: { type: "reasoning_text", text: "" },
  },
  {
    type: "summary_text",
    item: "reasoning",
    member: "summary",
    index: "summary_index",
    text: "text",
    added: "response.reasoning_summary_part.added",
    delta: "response.reasoning_summary_text.delta",
    done: "response.reasoning_summary_text.done",
    partDone: "response.reasoning_summary_part.done",
    beside: {},
    field: "reasoning",
    empty: { type: "summary_text", text: "" },
  },
];

/** The kind of a part by its type. */
export const partKindOf = (type: unknown): PartKind | undefined =>
  PART_KINDS.find((kind) => kind.type === type);

/** Items whose text comes in pieces as one, and the events of it. */
export interface TextKind {
  item: string;
  member: "arguments" | "input" | "code";
  delta: string;
  done: string;
}

/** Calls, by the events of their arguments. */
export const TEXT_KINDS: TextKind[] = [
  {
    item: "function_call",
    member: "arguments",
    delta: "response.function_call_arguments.delta",
    done: "response.function_call_arguments.done",
  },
  {
    item: "custom_tool_call",
    member: "input",
    delta: "response.custom_tool_call_input.delta",
    done: "response.custom_tool_call_input.done",
  },
  {
    item: "mcp_call",
    member: "arguments",
    delta: "response.mcp_call_arguments.delta",
    done: "response.mcp_call_arguments.done",
  },
];
