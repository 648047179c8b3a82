/**
 * A turn of chat completions, as a strict client sees it: every promise of a stream is checked on
 * each one that is read.
 */
import { expect } from "vitest";
import { specFaults } from "./openai-spec.ts";
import { proxy } from "./proxy.ts";
import { startUpstream, type Answer, type ScriptedUpstream } from "./upstream.ts";

type Json = Record<string, unknown>;

/** A tool that adds `a` and `b`. */
export const ADD = {
  name: "add",
  type: "function",
  parameters: {
    type: "object",
    properties: { a: { type: "number" }, b: { type: "number" } },
    required: ["a", "b"],
  },
  implementation: "return args.a + args.b;",
};

/** A key with one tool that adds `a` and `b`, and an upstream that follows the script. */
export interface AddingKey {
  id: string;
  /** The tool's name, as the model must call it. */
  name: string;
  key: string;
  upstream: ScriptedUpstream;
}

/** @param script the upstream's answers, one for each round; it is told the tool's name */
export async function keyWithAdd(
  script: (name: string) => Answer[],
  tool: Json = {},
  fields: Json = {},
): Promise<AddingKey> {
  const { id: toolId, name } = await proxy.createTool({ ...ADD, ...tool });
  const upstream = await startUpstream(...script(name));
  const made = { toolIds: [toolId], openaiBaseUrl: upstream.url, ...fields };
  const { id, key } = await proxy.createKey(made);
  return { id, name, key, upstream };
}

/** What a client makes of a turn. */
export interface SeenTurn {
  content: string;
  reasoning: string;
  refusal: string;
  calls: { id: string; name: string; arguments: string }[];
  finishReason: string | null;
  usage: Json | null;
}

/**
 * A model of its own for each file: what a proxy learns of an upstream is kept for an hour, and an
 * upstream of another file may come to listen at the same port.
 */
export const MODEL = `gpt-test-${crypto.randomUUID()}`;

/** The request of a test, with whatever it adds. */
export const ask = (more: Json = {}): Json => ({
  model: MODEL,
  messages: [{ role: "user", content: "2+3?" }],
  ...more,
});

/** Posts a chat completion request, and gives the answer as it is. */
export const post = (key: string, body: Json): Promise<Response> =>
  fetch(`${proxy.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });

const textOf = (value: unknown) => (typeof value === "string" ? value : "");

/**
 * Payloads of a stream in the one spelling that every client understands: `data: `, one line, a
 * blank line.
 */
export function payloadsOf(text: string): string[] {
  expect(text.endsWith("\n\n"), "the stream ends at an event's end").toBe(true);
  return text
    .slice(0, -2)
    .split("\n\n")
    .filter((event) => !event.startsWith(":"))
    .map((event) => {
      expect(event).toMatch(/^data: [^\n\r]+$/);
      return event.slice("data: ".length);
    });
}

interface StreamChoice {
  index: number;
  delta: Json & {
    tool_calls?: { index: number; id?: string; function?: { name?: string; arguments?: string } }[];
  };
  finish_reason: string | null;
}

/** Checks what must hold of any finished stream, and gives what it says. */
export function readStream(
  text: string,
  hidden: string,
  asked = false,
): SeenTurn & { chunks: Json[] } {
  const payloads = payloadsOf(text);
  expect(payloads.filter((payload) => payload === "[DONE]")).toHaveLength(1);
  expect(payloads.pop(), "the end").toBe("[DONE]");
  const chunks = payloads.map((payload) => JSON.parse(payload) as Json);
  for (const chunk of chunks)
    expect(specFaults("CreateChatCompletionStreamResponse", chunk), JSON.stringify(chunk)).toEqual(
      [],
    );
  expect(new Set(chunks.map(({ id }) => id)).size, "ids").toBe(1);
  expect(
    new Set(chunks.map(({ created, model }) => `${String(created)} ${String(model)}`)).size,
  ).toBe(1);
  const choices = chunks.flatMap((chunk) => chunk["choices"] as StreamChoice[]);
  expect(choices.every(({ index }) => index === 0)).toBe(true);
  expect(choices[0]?.delta["role"], "the first delta's role").toBe("assistant");
  expect(choices.filter(({ delta }) => delta["role"] !== undefined)).toHaveLength(1);
  const reasons = choices
    .map(({ finish_reason }) => finish_reason)
    .filter((reason) => reason !== null);
  expect(reasons, "finish reasons").toHaveLength(1);
  expect(choices.at(-1)?.finish_reason).toBe(reasons[0]);
  expect(text.includes(hidden), "a server call is visible").toBe(false);
  const usages = chunks.filter(({ usage }) => usage !== undefined && usage !== null);
  expect(usages.length).toBeLessThanOrEqual(asked ? 1 : 0);
  if (!asked)
    expect(
      chunks.every((chunk) => !("usage" in chunk) && (chunk["choices"] as unknown[]).length === 1),
    ).toBe(true);
  else if (usages.length > 0)
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: usages[0]?.["usage"] });
  const joined = (field: string) => choices.map(({ delta }) => textOf(delta[field])).join("");
  return {
    chunks,
    content: joined("content"),
    reasoning: joined("reasoning_content"),
    refusal: joined("refusal"),
    calls: callsOf(choices),
    finishReason: reasons[0] ?? null,
    usage: (usages[0]?.["usage"] as Json | undefined) ?? null,
  };
}

function callsOf(choices: StreamChoice[]): SeenTurn["calls"] {
  const calls: SeenTurn["calls"] = [];
  for (const fragment of choices.flatMap(({ delta }) => delta.tool_calls ?? [])) {
    const call = (calls[fragment.index] ??= { id: "", name: "", arguments: "" });
    call.id ||= fragment.id ?? "";
    call.name += fragment.function?.name ?? "";
    call.arguments += fragment.function?.arguments ?? "";
  }
  expect(Object.keys(calls)).toHaveLength(calls.length);
  return calls;
}

/** A turn, streamed: checked from the first byte to the last. */
export async function streamed(
  { key, name }: AddingKey,
  more: Json = {},
): Promise<ReturnType<typeof readStream>> {
  const response = await post(key, ask({ stream: true, ...more }));
  const text = await response.text();
  expect(response.status, text).toBe(200);
  expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
  return readStream(text, name, more["stream_options"] !== undefined);
}

/** A turn, whole. */
export async function whole(
  { key, name }: AddingKey,
  more: Json = {},
): Promise<ReturnType<typeof readWhole>> {
  const response = await post(key, ask(more));
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return readWhole(text, name);
}

/** Checks what must hold of any whole answer, and gives what it says. */
export function readWhole(
  text: string,
  hidden: string,
): SeenTurn & { completion: Json; message: Json } {
  expect(text.includes(hidden), "a server call is visible").toBe(false);
  const completion = JSON.parse(text) as Json;
  const [choice, ...others] = completion["choices"] as { message: Json; finish_reason: string }[];
  if (choice === undefined) throw new Error(`No choice in ${text}`);
  expect(others).toEqual([]);
  const { message } = choice;
  expect(message["role"]).toBe("assistant");
  const calls = (message["tool_calls"] ?? []) as {
    id: string;
    function?: { name: string; arguments: string };
    custom?: { name: string; input: string };
  }[];
  return {
    completion,
    message,
    content: textOf(message["content"]),
    reasoning: textOf(message["reasoning_content"]),
    refusal: textOf(message["refusal"]),
    calls: calls.map(({ id, function: called, custom }) => ({
      id,
      name: called?.name ?? custom?.name ?? "",
      arguments: called?.arguments ?? custom?.input ?? "",
    })),
    finishReason: choice.finish_reason,
    usage: (completion["usage"] as Json | undefined) ?? null,
  };
}
