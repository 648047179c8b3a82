/**
 * What a client of the Responses API sees is the same whichever dialect its upstream is asked in:
 * tried on random turns, and on those that follow them. A failure prints the smallest turn that
 * fails, its seed and its path.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { saysInBoth } from "../helpers/both-dialects.ts";
import { specFaults } from "../helpers/openai-spec.ts";
import { proxy } from "../helpers/proxy.ts";
import { CLIENT, randomTurn, SERVER, type RandomRound } from "../helpers/random-said-rounds.ts";
import { askResponse, type SeenResponse } from "../helpers/response-turn.ts";
import { startUpstream } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const RUNS = 8;
/** Time for fast-check to find the smallest failure, in milliseconds. */
const LIMIT_MS = 60_000;
const limits = { numRuns: RUNS, interruptAfterTimeLimit: LIMIT_MS - 15_000 };

const own = {
  type: "function",
  name: CLIENT,
  strict: false,
  parameters: { type: "object", properties: {} },
};

const partsOf = (item: Json): Json[] => [
  ...((item["summary"] ?? []) as Json[]),
  ...((item["content"] ?? []) as Json[]),
];

/** What an item says; models that are asked over chat completions say no summary. */
function saidIn(item: Json): Json {
  const { type, name, call_id: callId, output, error } = item;
  // Missing arguments are `{}` where a model calls a function without any.
  const args = (item["arguments"] as string | undefined)?.trim() || "{}";
  if (type === "function_call") return { type, name, callId, args };
  if (type === "mcp_call") return { type, name, args, output, error };
  return { type, texts: partsOf(item).map((part) => part["text"] ?? part["refusal"]) };
}

/** What is the same of a response, however its upstream was asked. */
function comparable({ output, status, incomplete_details: details, usage }: SeenResponse) {
  const total = (usage as Json | null)?.["total_tokens"] ?? 0;
  return { items: output.map(saidIn), status, details, total };
}

/** One run: what the model says, and what it was sent in each way. */
interface Run {
  rounds: RandomRound[];
  sent: Map<string, number>;
}

const WAYS = [
  { dialect: "responses", stream: true },
  { dialect: "responses", stream: false },
  { dialect: "chat", stream: true },
  { dialect: "chat", stream: false },
];

/** Where chat completions would refuse a request, in words. */
function faultsOf(body: Json): string[] {
  const faults = specFaults("CreateChatCompletionRequest", body);
  const messages = body["messages"] as Json[];
  const called = messages.flatMap(({ tool_calls: calls }) => (calls ?? []) as Json[]);
  const ids = called.map(({ id }) => String(id)).toSorted();
  const results = messages.filter(({ role }) => role === "tool");
  const answered = results.map(({ tool_call_id: id }) => String(id)).toSorted();
  if (ids.join() !== answered.join())
    faults.push(`calls ${ids.join()} and results ${answered.join()}`);
  return faults;
}

/** How a client names what was before: by the items, by references to them, or by the response. */
const RETURNS: ((question: Json, response: SeenResponse) => Json)[] = [
  (question, { output }) => ({ input: [question, ...output] }),
  (question, { output }) => ({
    input: [question, ...output.map(({ id }) => ({ type: "item_reference", id }))],
  }),
  (_question, { id }) => ({ input: [], previous_response_id: id }),
];

const firstText = (body: Json): unknown => {
  const [first] = (body["messages"] ?? body["input"]) as Json[];
  return first?.["content"];
};

it("is the same over both dialects, streamed and whole", { timeout: LIMIT_MS }, async () => {
  const { id, name } = await proxy.createTool({
    name: SERVER,
    type: "function",
    parameters: { type: "object", properties: {} },
    implementation: "return args;",
  });
  const runs = new Map<unknown, Run>();
  const upstream = await startUpstream(async (request, response) => {
    const body = request.json();
    const run = runs.get(firstText(body));
    const way = `${request.url} ${String(body["stream"] === true)}`;
    const count = run?.sent.get(way) ?? 0;
    run?.sent.set(way, count + 1);
    const round = run?.rounds[count];
    if (round === undefined) throw new Error("No such round");
    const faults = "messages" in body ? faultsOf(body) : [];
    expect(faults, JSON.stringify(body)).toEqual([]);
    await saysInBoth(round.said, round.writes)(request, response);
  });
  const keyOf = async (upstreamDialect: string) => {
    const made = { toolIds: [id], openaiBaseUrl: upstream.url, upstreamDialect };
    return (await proxy.createKey(made)).key;
  };
  const keys = new Map([
    ["chat", await keyOf("chat")],
    ["responses", await keyOf("responses")],
  ]);
  const ask = ({ dialect, stream }: (typeof WAYS)[number], body: Json): Promise<SeenResponse> => {
    const key = keys.get(dialect) ?? "";
    return askResponse({ key }, { ...body, tools: [own], stream });
  };

  /** The client is back with its results, or asks again. */
  const isSameLater = async (run: Run, question: Json, seen: SeenResponse[]): Promise<void> => {
    for (const [place, back] of RETURNS.entries()) {
      run.rounds.push({ said: { content: `The end ${place}.` }, writes: USUAL_WRITES });
      const ends = [];
      for (const [index, way] of WAYS.entries()) {
        const response = seen[index];
        if (response === undefined) continue;
        const calls = response.output.filter(({ type }) => type === "function_call");
        const outputs = calls.map(({ call_id: callId }) => ({
          type: "function_call_output",
          call_id: callId,
          output: `result of ${String(callId)}`,
        }));
        const { input, ...others } = back(question, response);
        const more = { role: "user", content: "Go on" };
        const body = { ...others, input: [...(input as Json[]), ...outputs.toReversed(), more] };
        ends.push(comparable(await ask(way, body)));
      }
      for (const end of ends) expect(end).toEqual(ends[0]);
      expect(ends[0]).toMatchObject({ items: [{ texts: [`The end ${place}.`] }] });
    }
  };

  const isSame = async (random: RandomRound[]): Promise<void> => {
    const named = (called: string) => (called === SERVER ? name : called);
    const rounds = random.map(({ said, ...others }) => ({
      ...others,
      said: {
        ...said,
        calls: (said.calls ?? []).map((call) => ({ ...call, name: named(call.name) })),
      },
    }));
    const content = `run ${runs.size}`;
    const run: Run = { rounds, sent: new Map() };
    runs.set(content, run);
    const question = { role: "user", content };
    const seen: SeenResponse[] = [];
    for (const way of WAYS) seen.push(await ask(way, { input: [question] }));
    const [first, ...others] = seen.map(comparable);
    for (const other of others) expect(other).toEqual(first);
    await isSameLater(run, question, seen);
  };

  await fc.assert(fc.asyncProperty(randomTurn, isSame), limits);
});

const USUAL_WRITES = { cuts: [], lineEnd: "\n" as const };
