/** No request is so odd that it costs nothing. */
import { expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { completion, json, startUpstream, type Answer } from "../helpers/upstream.ts";

const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;
const usage = { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20, cost: 2 };
const hello = completion({ content: "hello" }, { usage });

const call = (args: string) =>
  `{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":${JSON.stringify(args)}}}]},{"role":"tool","tool_call_id":"c1","content":"x"}`;
const asks = (messages: string, more = "") =>
  `{"model":"gpt-test"${more},"messages":[${messages}]}`;
const question = '{"role":"user","content":"hello"}';

/** A whole answer, spelled by hand: no serialiser writes what is nested so deeply. */
const deepAnswer: Answer = (_request, response) =>
  void response
    .writeHead(200, { "content-type": "application/json" })
    .end(
      `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-test","choices":[{"index":0,"message":{"role":"assistant","content":"hello","extra":${nested(50_000)}},"finish_reason":"stop"}],"usage":${JSON.stringify(usage)}}`,
    );

const ODD: [string, string, Answer][] = [
  [
    "a call whose arguments are nested 50,000 deep",
    asks(`${question},${call(nested(50_000))}`),
    hello,
  ],
  [
    "a call whose arguments are objects, 20,000 deep",
    asks(`${question},${call(`${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`)}`),
    hello,
  ],
  [
    "a content that is nested 50,000 deep",
    asks(`{"role":"user","content":${nested(50_000)}}`),
    hello,
  ],
  ["a member of its own, 50,000 deep", asks(question, `,"extra":${nested(50_000)}`), hello],
  [
    "a message's own member, 50,000 deep",
    asks(`{"role":"user","content":"hello","extra":${nested(50_000)}}`),
    hello,
  ],
  ["tools whose schema is nested 50,000 deep", asks(question, `,"tools":${nested(50_000)}`), hello],
  ["no JSON at all", "this is {no JSON", hello],
  ["a number that JSON does not have", asks(question, ',"temperature":NaN'), hello],
  ["an answer that is nested 50,000 deep", asks(question), deepAnswer],
  [
    "half a surrogate pair and a NUL",
    asks('{"role":"user","content":"\\ud800 and \\u0000"}', ',"user":"\\u0000"'),
    hello,
  ],
];

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What becomes of one request, asked several times by a key that may spend $1, where each costs $2. */
async function fateOf(body: string, answer: Answer, monthlyBudget = 1) {
  const upstream = await startUpstream(answer);
  const { id, key } = await proxy.createKey({ openaiBaseUrl: upstream.url, monthlyBudget });
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const ask = async () => {
    const url = `${proxy.url}/v1/chat/completions`;
    const {
      status,
      headers: sent,
      body: rest,
    } = await fetch(url, { method: "POST", headers, body });
    await rest?.cancel();
    return { status, conversation: sent.get("x-proxy-conversation-id") ?? "" };
  };
  const first = await ask();
  const statuses = [first.status, (await ask()).status];
  const { status: onRecord } = await proxy.conversation(first.conversation);
  // Long enough for the database to be read again: it must not give anything back.
  for (let second = 0; second < 3; second++) {
    await pause(1000);
    statuses.push((await ask()).status);
  }
  const shown = await proxy.admin(`/api-keys/${id}`);
  const { spend } = (await shown.json()) as { spend: { month: number } };
  return { statuses, onRecord, spent: spend.month, asked: upstream.requests.length };
}

it("every request, however odd, is on record, and takes from the budget once", async () => {
  const fates = await Promise.all(
    ODD.map(async ([what, body, answer]) => [what, await fateOf(body, answer)] as const),
  );
  const right = { statuses: [200, 429, 429, 429, 429], onRecord: "completed", spent: 2, asked: 1 };
  expect(Object.fromEntries(fates)).toEqual(Object.fromEntries(ODD.map(([what]) => [what, right])));
});

/** Answers that do not say what they cost. */
const UNCOUNTED: [string, Answer][] = [
  ["of zeros", completion({ content: "hello" }, { usage: { total_tokens: 0 } })],
  ["without usage", completion({ content: "hello" }, { usage: undefined })],
  ["without choices", json({ choices: [] })],
  ["without anything", json({})],
  ["that is no JSON", (_request, response) => void response.writeHead(200).end("hello")],
];

it("an answer that does not say what it cost takes from the budget, and reading gives nothing back", async () => {
  const body = JSON.stringify({
    model: "gpt-4.1-mini",
    messages: [{ role: "user", content: "word ".repeat(1000) }],
  });
  const fates = await Promise.all(
    UNCOUNTED.map(async ([what, answer]) => [what, await fateOf(body, answer, 0.0001)] as const),
  );
  for (const [what, { statuses, spent }] of fates) {
    expect(statuses, what).toEqual([200, 429, 429, 429, 429]);
    // 1,000 words and a few tokens around them, at $0.40 for a million.
    expect(spent, what).toBeGreaterThan(0.0003);
    expect(spent, what).toBeLessThan(0.001);
  }
});
