/** The two ends of a random turn: a key with tools and its upstream, and a strict client of it. */
import { expect } from "vitest";
import { payloadsOf, post, readStream, type SeenTurn } from "./chat-turn.ts";
import { specFaults } from "./openai-spec.ts";
import { proxy } from "./proxy.ts";
import {
  CLIENT_TOOLS,
  SERVER_TOOLS,
  type RandomRequest,
  type RandomRound,
} from "./random-rounds.ts";
import { cutBytes, spellEvents, streamPayloads, wholeCompletion } from "./random-rounds-spelled.ts";
import { startRunsUpstream, writesOf, type Run, type Script } from "./random-rounds-upstream.ts";
import { json, type Answer } from "./upstream.ts";

type Json = Record<string, unknown>;

/** A turn that takes longer hangs, in milliseconds. */
const HANG_MS = 8000;

/** A key with the server tools, and an upstream that knows what to say in each run. */
export interface RandomKey {
  key: string;
  /** What the names of all server tools have in common. */
  hidden: string;
  /** The name that a tool has in this test. */
  nameOf(tool: string): string;
  start(script: Script): Run;
}

/** Makes the key of a property: once, because making it takes longer than a run. */
export async function randomKey(): Promise<RandomKey> {
  const hidden = `hidden_${crypto.randomUUID().slice(0, 8)}`;
  const fields = {
    type: "function",
    parameters: { type: "object", properties: {} },
    implementation: "return args;",
  };
  const tools = await Promise.all(
    SERVER_TOOLS.map((tool) => proxy.createTool({ ...fields, name: `${hidden}_${tool}` })),
  );
  const names = new Map<string, string>(
    SERVER_TOOLS.map((tool, index) => [tool, tools[index]?.name ?? ""]),
  );
  const upstream = await startRunsUpstream();
  const { key } = await proxy.createKey({
    toolIds: tools.map(({ id }) => id),
    openaiBaseUrl: upstream.url,
  });
  return { key, hidden, nameOf: (tool) => names.get(tool) ?? tool, start: upstream.start };
}

/** A round as it is: whole, or as its stream. */
export function answerOf(
  round: RandomRound | undefined,
  { nameOf }: RandomKey,
  streamed: boolean,
): Answer | undefined {
  if (round === undefined) return undefined;
  if (!streamed) return json(wholeCompletion(round, nameOf));
  const events = spellEvents(streamPayloads(round, nameOf), round.spelling).join("");
  return writesOf(
    cutBytes(new TextEncoder().encode(events), round.spelling),
    round.spelling.done === "then open" ? "stays open" : "ends",
  );
}

/** Fails where something does not come to its end. */
export async function withinLimit<T>(
  work: Promise<T>,
  { limitMs, what }: { limitMs: number; what: string },
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`No end of ${what} within ${limitMs} ms`)),
    limitMs,
  );
  return Promise.race([work, promise]).finally(() => clearTimeout(timer));
}

/** An answer, read to its end. */
interface Reply {
  status: number;
  text: string;
}

const clientTools = CLIENT_TOOLS.filter((name) => name !== "nobodys").map((name) => ({
  type: "function",
  function: { name, parameters: { type: "object", properties: {} } },
}));

/** Sends a request with the client's tools. */
export function send(key: RandomKey, body: Json): Promise<Reply> {
  const answer = post(key.key, { model: "gpt-test", tools: clientTools, ...body });
  return withinLimit(
    answer.then(async (response) => ({ status: response.status, text: await response.text() })),
    { limitMs: HANG_MS, what: "the answer" },
  );
}

/** What a request says of its stream. */
export const streamFields = ({ includeUsage }: RandomRequest): Json => ({
  stream: true,
  ...(includeUsage ? { stream_options: { include_usage: true } } : {}),
});

interface AnswerMessage {
  content?: string | null;
  reasoning_content?: string;
  refusal?: string;
  tool_calls?: { id: string; function: { name: string; arguments: string } }[];
}

/** What a client sees of a whole answer. */
export function readWhole({ status, text }: Reply, { hidden }: RandomKey): SeenTurn {
  expect(status, text).toBe(200);
  expect(text.includes(hidden), "a server call is visible").toBe(false);
  const completion = JSON.parse(text) as {
    choices: { message: AnswerMessage; finish_reason: string }[];
    usage?: Json;
  };
  const [choice] = completion.choices;
  if (choice === undefined) throw new Error(`No choice in ${text}`);
  const { message, finish_reason: finishReason } = choice;
  return {
    content: message.content ?? "",
    reasoning: message.reasoning_content ?? "",
    refusal: message.refusal ?? "",
    calls: (message.tool_calls ?? []).map(({ id, function: definition }) => ({
      id,
      ...definition,
    })),
    finishReason,
    usage: completion.usage ?? null,
  };
}

/** What a client sees of a finished stream, which is checked from its first byte to its last. */
export function readFinished(
  { status, text }: Reply,
  { hidden }: RandomKey,
  includeUsage: boolean,
): SeenTurn {
  expect(status, text).toBe(200);
  const { chunks: _chunks, ...seen } = readStream(text, hidden, includeUsage);
  return seen;
}

/**
 * A stream that an error ended: valid chunks, none of which says that the answer is finished, and
 * the error as the last event.
 */
function readBroken(text: string): { content: string; error: Json } {
  const payloads = payloadsOf(text);
  expect(payloads).not.toContain("[DONE]");
  const events = payloads.map((payload) => JSON.parse(payload) as Json);
  const { error, ...others } = events.pop() ?? {};
  expect(error, "the last event").toMatchObject({ message: expect.stringMatching(/./) as string });
  expect(others, "an error event says nothing else").toEqual({});
  for (const event of events)
    expect(specFaults("CreateChatCompletionStreamResponse", event), JSON.stringify(event)).toEqual(
      [],
    );
  const choices = events.flatMap(
    ({ choices }) => choices as { delta: Json; finish_reason: string | null }[],
  );
  expect(choices.every(({ finish_reason: reason }) => reason === null)).toBe(true);
  expect(choices.filter(({ delta }) => delta["role"] !== undefined)).toHaveLength(
    choices.length > 0 ? 1 : 0,
  );
  expect(new Set(events.map(({ id }) => id)).size).toBeLessThanOrEqual(1);
  return {
    content: choices.map(({ delta }) => (delta["content"] as string | undefined) ?? "").join(""),
    error: error as Json,
  };
}

/**
 * What a client sees of a stream that may have failed. `error`: null where the turn was finished.
 */
export function readEnd(
  reply: Reply,
  key: RandomKey,
  includeUsage: boolean,
): Partial<SeenTurn> & { content: string; error: Json | null } {
  const { status, text } = reply;
  expect(text.includes(key.hidden), "a server call is visible").toBe(false);
  if (status !== 200) return { content: "", error: (JSON.parse(text) as { error: Json }).error };
  if (text.endsWith("data: [DONE]\n\n"))
    return { ...readFinished(reply, key, includeUsage), error: null };
  return readBroken(text);
}
