/**
 * What a chat client sees is the same whichever dialect its upstream is asked in: tried on random
 * turns. A failure prints the smallest turn that fails, its seed and its path.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { requestFaults, saysInBoth, type Writes } from "../helpers/both-dialects.ts";
import { MODEL, post, readStream, readWhole, type SeenTurn } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { CLIENT, randomTurn, SERVER, type RandomRound } from "../helpers/random-said-rounds.ts";
import { startUpstream } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const RUNS = 20;
/** Time for fast-check to find the smallest failure, in milliseconds. */
const LIMIT_MS = 60_000;
const limits = { numRuns: RUNS, interruptAfterTimeLimit: LIMIT_MS - 15_000 };

const own = { type: "function", function: { name: CLIENT, parameters: { type: "object" } } };

/** What is the same of a round that is streamed and whole, and over both dialects. */
type Comparable = Omit<SeenTurn, "chunks">;

const comparable = ({ content, reasoning, refusal, calls, finishReason, usage }: SeenTurn) => ({
  content,
  reasoning,
  refusal,
  calls,
  finishReason,
  usage,
});

/** Checks that the API takes a request. */
const checkSent = (body: Json): void =>
  expect(requestFaults(body), JSON.stringify(body)).toEqual([]);

/** One run: what the model says, and what it was sent in each way. */
interface Run {
  rounds: RandomRound[];
  sent: Map<string, Json[]>;
}

const WAYS = [
  { dialect: "chat", stream: true },
  { dialect: "chat", stream: false },
  { dialect: "responses", stream: true },
  { dialect: "responses", stream: false },
];

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
    const [first] = (body["messages"] ?? body["input"]) as Json[];
    const run = runs.get(first?.["content"]);
    const way = `${request.url} ${String(body["stream"] === true)}`;
    const sent = [...(run?.sent.get(way) ?? []), body];
    run?.sent.set(way, sent);
    const round = run?.rounds[sent.length - 1];
    if (round === undefined) throw new Error("No such round");
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
  const ask = async (messages: Json[], { dialect, stream }: (typeof WAYS)[number]) => {
    const options = stream ? { stream_options: { include_usage: true } } : {};
    const body = { model: MODEL, messages, tools: [own], stream, ...options };
    const response = await post(keys.get(dialect) ?? "", body);
    const answer = await response.text();
    expect(response.status, answer).toBe(200);
    return stream ? readStream(answer, name, true) : readWhole(answer, name);
  };

  const isSame = async (random: RandomRound[]): Promise<void> => {
    upstream.requests.length = 0;
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
    const seen: Comparable[] = [];
    for (const way of WAYS) seen.push(comparable(await ask([question], way)));
    for (const other of seen.slice(1)) expect(other).toEqual(seen[0]);
    const calls = seen[0]?.calls ?? [];
    if (calls.length > 0) await isSameLater(run, question, seen[0]);
    for (const [way, sent] of run.sent) {
      if (way.includes("/responses")) for (const body of sent) checkSent(body);
    }
  };

  /** The client is back with its results. */
  const isSameLater = async (run: Run, question: Json, seen: Comparable | undefined) => {
    const { content, refusal, calls } = seen as Comparable;
    const spelled = calls.map((call) => ({
      id: call.id,
      type: "function",
      function: { name: call.name, arguments: call.arguments },
    }));
    const answer = { role: "assistant", content, refusal, tool_calls: spelled };
    const results = calls.map(({ id: callId }) => ({
      role: "tool",
      tool_call_id: callId,
      content: `result of ${callId}`,
    }));
    run.rounds.push({ said: { reasoning: "Then.", content: "The end." }, writes: USUAL_WRITES });
    const ends: Comparable[] = [];
    for (const way of WAYS)
      ends.push(comparable(await ask([question, answer, ...results.toReversed()], way)));
    for (const other of ends) expect(other).toEqual(ends[0]);
    expect(ends[0]).toMatchObject({ content: "The end.", finishReason: "stop" });
  };

  await fc.assert(fc.asyncProperty(randomTurn, isSame), limits);
});

const USUAL_WRITES: Writes = { cuts: [], lineEnd: "\n" };
