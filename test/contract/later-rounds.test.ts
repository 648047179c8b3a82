/** A round that fails after tools ran: the turn goes on within itself, and no tool runs twice. */
import { describe, expect, it } from "vitest";
import { ask, keyWithAdd, post, readStream, readWhole } from "../helpers/chat-turn.ts";
import { proxy, type ConversationDetail } from "../helpers/proxy.ts";
import {
  chunk,
  completion,
  events,
  json,
  sentMessages,
  toolCall,
  type Answer,
} from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const BOTH = [
  ["whole", {}],
  ["streamed", { stream: true }],
] as const;

/** A message, the way it was asked for; streamed in one delta. */
const saying =
  (message: Json): Answer =>
  (request, response) => {
    const calls = (message["tool_calls"] ?? []) as Json[];
    const { tool_calls: _calls, ...texts } = message;
    const delta = {
      role: "assistant",
      ...texts,
      ...(calls.length === 0
        ? {}
        : { tool_calls: calls.map((call, index) => ({ index, ...call })) }),
    };
    const end = chunk({}, calls.length === 0 ? "stop" : "tool_calls");
    const isStream = request.json()["stream"] === true;
    return (isStream ? events(chunk(delta), end) : completion(message))(request, response);
  };

const five = saying({ content: "5" });
const calling = (name: string, more: Json = {}, args: unknown = { a: 2, b: 3 }): Answer =>
  saying({ content: "Adding.", ...more, tool_calls: [toolCall("c1", name, args)] });
const error = (message: string, code: string | null = null): Json => ({
  error: { message, type: "server_error", param: null, code },
});
const busy = error("Try later", "rate_limit_exceeded");

const reset: Answer = (_request, response) => void response.destroy();
const cutInTheMidst: Answer = (_request, response) => {
  response.writeHead(200, { "content-type": "application/json", "content-length": "500" });
  response.write('{"id":"chatcmpl-1","choices":[');
  setTimeout(() => response.destroy(), 20);
};
const page: Answer = (_request, response) =>
  void response
    .writeHead(502, { "content-type": "text/html" })
    .end("<html><body>Bad Gateway</body></html>");

const idOf = (response: Response) => response.headers.get("x-proxy-conversation-id") ?? "";

/** What became of a turn whose second round goes as the script says. */
interface TwoRounds {
  response: Response;
  text: string;
  conversation: ConversationDetail;
  asked: number;
  name: string;
  ms: number;
}

async function twoRounds(second: Answer[], more: Json): Promise<TwoRounds> {
  const key = await keyWithAdd((name) => [calling(name), ...second]);
  const startedAt = performance.now();
  const response = await post(key.key, ask(more));
  const text = await response.text();
  const ms = performance.now() - startedAt;
  const conversation = await proxy.conversation(idOf(response));
  return { response, text, conversation, asked: key.upstream.requests.length, name: key.name, ms };
}

/** How a second round may fail for a while. */
const PASSING: Record<string, Answer | Answer[]> = {
  "429 with retry-after 0": json(busy, 429, { "retry-after": "0" }),
  "429 with retry-after-ms": json(busy, 429, { "retry-after-ms": "30", "retry-after": "60" }),
  "429 that says nothing of when": json(busy, 429),
  "503": json(error("overloaded"), 503),
  "529": json(error("overloaded"), 529),
  "a page of a gateway": page,
  // On Node a connection that was used before is tried afresh once, which is no try of the turn.
  "a reset": proxy.target === "workerd" ? [reset] : [reset, reset],
};

describe.each(BOTH)("A %s turn whose second round fails goes on", (way, more) => {
  const read = ({ text, name }: TwoRounds) =>
    way === "streamed" ? readStream(text, name) : readWhole(text, name);

  it.each(Object.entries(PASSING))("after %s, once", async (_title, failure) => {
    const failures = [failure].flat();
    const turn = await twoRounds([...failures, five], more);
    expect(turn.response.status, turn.text).toBe(200);
    expect(read(turn).content).toBe("Adding.\n\n5");
    expect(turn.asked).toBe(2 + failures.length);
    expect(turn.conversation.toolExecutions).toHaveLength(1);
    expect(turn.conversation.status).toBe("completed");
    const [first, second] = turn.conversation.rounds;
    expect([first?.notes, turn.conversation.rounds.length]).toEqual([[], 2]);
    expect(second?.notes).toEqual([expect.stringMatching(/^Tried again after \d+ ms: /)]);
  });

  it("after 429 with retry-after 1, when that second is over", async () => {
    const turn = await twoRounds([json(busy, 429, { "retry-after": "1" }), five], more);
    expect(read(turn).content).toBe("Adding.\n\n5");
    expect(turn.ms).toBeGreaterThanOrEqual(1000);
    expect(turn.conversation.rounds[1]?.notes).toEqual(["Tried again after 1000 ms: Try later"]);
  });

  it("after failures of several kinds, and gives up after the fourth", async () => {
    const soon = { "retry-after": "0" };
    const kinds = [json(busy, 429, soon), json(error("x"), 503, soon), json(busy, 429, soon)];
    const turn = await twoRounds([...kinds, five], more);
    expect(read(turn).content).toBe("Adding.\n\n5");
    expect(turn.conversation.rounds[1]?.notes).toHaveLength(3);
    const lost = await twoRounds([...kinds, json(busy, 429, soon), five], more);
    expect(lost.asked).toBe(5);
    expect(lost.text).toContain("Try later");
    expect(lost.conversation.status).toBe("failed");
  });
});

/** What waiting does not mend, or not within a turn. */
const LASTING: Record<string, Answer> = {
  "a quota that is used up": json(error("You exceeded your quota", "insufficient_quota"), 429),
  "x-should-retry: false": json(busy, 503, { "x-should-retry": "false" }),
  "an hour": json(busy, 429, { "retry-after": "3600" }),
  "a credential that does not work any more": json(error("no", "invalid_api_key"), 401),
};

describe.each(BOTH)("A %s turn does not wait for", (way, more) => {
  it.each(Object.entries(LASTING))("%s", async (_title, failure) => {
    const turn = await twoRounds([failure, five], more);
    expect(turn.asked).toBe(2);
    expect(turn.conversation.status).toBe("failed");
    expect(turn.conversation.toolExecutions).toHaveLength(1);
    expect(turn.conversation.rounds[1]).toMatchObject({ status: "failed", notes: [] });
    expect(turn.response.status >= 400).toBe(way === "whole");
    expect(JSON.stringify(turn.text)).toMatch(/exceeded|later|no/);
  });
});

it("The first round is the client's to try again: no tool has run", async () => {
  const key = await keyWithAdd(() => [json(busy, 429, { "retry-after": "0" }), five]);
  const response = await post(key.key, ask());
  expect([response.status, await response.json()]).toEqual([429, busy]);
  expect(key.upstream.requests).toHaveLength(1);
});

it("A whole answer that is cut in its body is asked for again in a later round", async () => {
  const turn = await twoRounds([cutInTheMidst, five], {});
  expect(turn.response.status, turn.text).toBe(200);
  expect(turn.conversation.toolExecutions).toHaveLength(1);
  expect(turn.conversation.rounds[1]?.notes).toHaveLength(1);
});

it("A stream that broke off in the midst of a text is not begun again", async () => {
  const half: Answer = (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`data: ${JSON.stringify(chunk({ role: "assistant", content: "fi" }))}\n\n`);
    setTimeout(() => response.destroy(), 20);
  };
  const turn = await twoRounds([half, five], { stream: true });
  expect(turn.asked).toBe(2);
  expect(turn.text).toContain("upstream_unreachable");
  expect(turn.conversation.status).toBe("failed");
});

/**
 * On workerd a client that has left is noticed at a second beat, which whole answers have none of.
 */
const NOTICED = proxy.target === "workerd" ? BOTH.filter(([way]) => way === "streamed") : BOTH;

it.each(NOTICED)(
  "A client that leaves a %s turn while it waits ends it",
  async (_way, more) => {
    const key = await keyWithAdd((name) => [
      calling(name),
      json(busy, 429, { "retry-after": "29" }),
      five,
    ]);
    const leaving = new AbortController();
    const headers = {
      authorization: `Bearer ${key.key}`,
      "content-type": "application/json",
      "x-conversation-id": crypto.randomUUID(),
    };
    const body = JSON.stringify(ask(more));
    const url = `${proxy.url}/v1/chat/completions`;
    const asking = fetch(url, { method: "POST", headers, body, signal: leaving.signal });
    const read = asking.then((response) => response.text()).catch(() => "left");
    await expect.poll(() => key.upstream.requests.length).toBe(2);
    leaving.abort();
    expect(await read).toBe("left");
    const id = headers["x-conversation-id"];
    const isWritten = async () => (await proxy.admin(`/conversations/${id}`)).ok;
    await expect.poll(isWritten, { timeout: 30_000 }).toBe(true);
    const conversation = await proxy.conversation(id);
    expect(conversation.status).toBe("cancelled");
    expect(conversation.rounds.map(({ status }) => status)).toEqual(["completed", "cancelled"]);
    expect(key.upstream.requests).toHaveLength(2);
  },
  40_000,
);

describe.each(BOTH)("What goes back to upstream after a %s round", (_way, more) => {
  /** The messages of the second round, whose first said `message`. */
  async function sentBack(message: Json, args?: unknown, tool: Json = {}) {
    const key = await keyWithAdd((name) => [calling(name, message, args), five], tool);
    const response = await post(key.key, ask(more));
    expect(response.status, await response.text()).toBe(200);
    return sentMessages(key.upstream, 1).slice(1);
  }

  it.each(["", " \n"])("is no blank text beside calls: %j", async (content) => {
    const [answer] = await sentBack({ content });
    expect(answer).toMatchObject({ role: "assistant" });
    expect(answer?.content ?? null).toBeNull();
  });

  it("is a word where a tool gave nothing", async () => {
    const [, result] = await sentBack({}, { a: 2, b: 3 }, { implementation: 'return "";' });
    expect(result?.content).toBe("(The tool gave an empty result.)");
  });

  it("is the id of a sound, not the sound", async () => {
    const audio = { id: "audio_1", data: "AAAA", expires_at: 1_800_000_000, transcript: "two" };
    const [answer] = await sentBack({ content: null, audio });
    expect(answer?.["audio"]).toEqual({ id: "audio_1" });
  });

  it.each(['{"a":2,"b', "null", '{}{"a":2}', '{"a":"\\x"}', "[1]", "two and three"])(
    "is an object as arguments, and a result that quotes what they were: %j",
    async (args) => {
      const [answer, result] = await sentBack({}, args);
      const calls = answer?.["tool_calls"];
      expect(calls).toMatchObject([{ function: { arguments: "{}" } }]);
      expect(result?.content).toContain(args);
    },
  );
});

describe.each(BOTH)("Reasoning that upstream does not take back, in a %s turn,", (way, more) => {
  const reasoned = { reasoning_content: "Hm." };
  const refusal = error("Unknown field: messages[1].reasoning_content");
  const hasReasoning = (body: Json) => JSON.stringify(body).includes('"reasoning_content"');
  const strict =
    (name: string): Answer =>
    (request, response) => {
      const body = request.json();
      const [last] = (body["messages"] as Json[]).slice(-1);
      if (hasReasoning(body)) return json(refusal, 400)(request, response);
      const isAsked = last?.["role"] === "user";
      return (isAsked ? calling(name, reasoned) : five)(request, response);
    };

  it("is left out, now and in the turns that follow", async () => {
    const key = await keyWithAdd((name) => [strict(name)]);
    const first = await post(key.key, ask(more));
    const text = await first.text();
    expect(first.status, text).toBe(200);
    const { content, reasoning } =
      way === "streamed" ? readStream(text, key.name) : readWhole(text, key.name);
    expect([content, reasoning]).toEqual(["Adding.\n\n5", "Hm."]);
    const { requests } = key.upstream;
    expect(requests.map((request) => hasReasoning(request.json()))).toEqual([false, true, false]);
    const { rounds, toolExecutions } = await proxy.conversation(idOf(first));
    expect(rounds[1]?.notes).toEqual([
      expect.stringMatching(/^Asked again without what the model/),
    ]);
    expect(toolExecutions).toHaveLength(1);
    // The hidden round is put back, and upstream does not take its reasoning either.
    const messages = [
      ...(ask()["messages"] as Json[]),
      { role: "assistant", content },
      { role: "user", content: "2+3 again?" },
    ];
    const second = await post(key.key, ask({ ...more, messages }));
    expect(second.status, await second.text()).toBe(200);
    expect(requests.slice(3).map((request) => hasReasoning(request.json()))).toEqual([
      false,
      false,
    ]);
    expect(JSON.stringify(requests[3]?.json())).toContain('"tool_call_id"');
  });

  it("is left out of a history too where nobody knew it of that upstream", async () => {
    const key = await keyWithAdd((name) => [
      calling(name, reasoned),
      five,
      json(refusal, 400),
      five,
    ]);
    const first = await post(key.key, ask(more));
    const text = await first.text();
    const { content } = way === "streamed" ? readStream(text, key.name) : readWhole(text, key.name);
    const messages = [
      ...(ask()["messages"] as Json[]),
      { role: "assistant", content },
      { role: "user", content: "again?" },
    ];
    const second = await post(key.key, ask({ ...more, messages }));
    expect(second.status, await second.text()).toBe(200);
    const [refused, taken] = key.upstream.requests.slice(2).map((request) => request.json());
    expect([hasReasoning(refused ?? {}), hasReasoning(taken ?? {})]).toEqual([true, false]);
    expect(taken?.["tools"]).toBeDefined();
  });
});

it("a later round whose answer is too large to be read is asked for once", async () => {
  const deep: Answer = (_request, response) =>
    void response
      .writeHead(200, { "content-type": "application/json" })
      .end(`{"choices":${"[".repeat(300)}${"]".repeat(300)}}`);
  const { key, upstream } = await keyWithAdd((name) => [calling(name), deep]);
  const response = await post(key, ask());
  expect(response.status).toBe(502);
  expect(await response.json()).toMatchObject({
    error: { code: "upstream_too_large", message: expect.stringContaining("256 levels") as string },
  });
  expect(upstream.requests).toHaveLength(2);
});
