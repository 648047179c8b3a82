/**
 * Scenarios of the tool loop as data: what a key's tools are, what a client asks, what the model
 * says in each round, and what both of them must see. A name that begins with `@` is that of a
 * server tool: the real one is unique in each run.
 */
import type { SeenTurn } from "./chat-turn.ts";

export type Json = Record<string, unknown>;

/** A call: as the model makes it, and as a client sees it. */
export type Call = SeenTurn["calls"][number];

/**
 * One answer of the model, in neither spelling: the upstream of a scenario sends it streamed or
 * whole, as it is asked.
 */
export interface ModelRound {
  text?: string;
  reasoning?: string;
  refusal?: string;
  calls?: Call[];
  /** Default: what OpenAI would say. */
  finish?: string;
  /** Default: {@link USAGE}. Null: none, even where it was asked for. */
  usage?: Json | null;
  logprobs?: Json;
  /** Further members of the completion and of each chunk. */
  more?: Json;
}

/** What must have been in a request to upstream. */
interface Sent {
  /** All messages, see `transcriptOf`. Elements may be matchers. */
  messages?: unknown[];
  /** Names of the tools, in order. Null: there must be no `tools`. */
  tools?: string[] | null;
  /** Members of the body. Undefined: it must not be there. */
  members?: Json;
  /** Text that the body must contain as it is spelled. */
  spelled?: string[];
}

/** Makes a request's messages from those of the request before and the answer to it. */
export type History = (before: Json[], answer: Json) => Json[];

/** One request of the client, and what becomes of it. */
export interface ClientTurn {
  /** Default: the user says "go". */
  messages?: History;
  /** Members that the request adds. */
  request?: Json;
  /** Members that the request adds, in this spelling. */
  spelled?: string;
  headers?: Record<string, string>;
  /**
   * The request's `stream_options` where it is streamed. Default: it asks for usage. Null: it has
   * none.
   */
  streamOptions?: Json | null;
  /** Changes of the key before the request. */
  keyChanges?: Json;
  /** What upstream answers. It must be asked exactly as often. */
  rounds: ModelRound[];
  /**
   * What the client sees of it. Defaults: no text, no calls, the finish reason of the calls, the
   * sum of {@link USAGE}.
   */
  sees?: Partial<SeenTurn>;
  /** Members of the completion that the client sees. */
  seesMembers?: Json;
  /** `logprobs.content` that the client sees. */
  seesLogprobs?: Json[];
  /** The status and a part of the message of a refusal, where the request is refused. */
  refused?: { status: number; message: string };
  /** Whether request and answer must have passed byte for byte. */
  untouched?: boolean;
  /** By round, from 0. */
  sent?: Record<number, Sent>;
  /** In every round. */
  alwaysSent?: Sent;
}

/** A promise of the tool loop, and a conversation that puts it to the test. */
export interface Scenario {
  title: string;
  /** Bodies of function tools by name, or their fields. */
  tools: Record<string, string | Json>;
  /** Fields of the key. */
  key?: Json;
  /** Whether the client streams every other request only. */
  alternates?: boolean;
  turns: ClientTurn[];
}

/** What upstream counts in each round, unless a scenario says otherwise. */
export const USAGE = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

/** A call with these arguments: an object, or the text that the model writes. */
export function call(id: string, name: string, args: Json | string = {}): Call {
  return { id, name, arguments: typeof args === "string" ? args : JSON.stringify(args) };
}

const numbers = {
  type: "object",
  properties: { a: { type: "number" }, b: { type: "number" } },
  required: ["a", "b"],
};

/** A server tool that adds. */
export const ADD = { "@add": { parameters: numbers, implementation: "return args.a + args.b;" } };

/** A call of `@add`. */
export const add = (id: string, a: number, b: number): Call => call(id, "@add", { a, b });

/** A tool of the client's own. */
export const clientTool = (name: string) => ({
  type: "function",
  function: { name, parameters: { type: "object", properties: { q: { type: "string" } } } },
});

/** A call of the client's tool `ask`. */
export const asks = (id: string, q = "?"): Call => call(id, "ask", { q });

/** The client comes back with these results, by call id, in this order. */
export const returning =
  (results: Record<string, string>): History =>
  (before, answer) => [
    ...before,
    answer,
    ...Object.entries(results).map(([id, content]) => ({
      role: "tool",
      tool_call_id: id,
      content,
    })),
  ];

/** The user goes on. */
export const saying =
  (content: string): History =>
  (before, answer) => [...before, answer, { role: "user", content }];
