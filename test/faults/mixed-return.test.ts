/**
 * A client that comes back with its results: on any replica and runtime the model finds one
 * consistent history.
 */
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { historyOf, startRounds, type ScriptedRound } from "../helpers/mixed-upstream.ts";
import { askOfficially, conversationAt, type AnsweredTurn } from "../helpers/own-client.ts";
import { adminCall } from "../helpers/own-proxy.ts";
import { startReplicas, type Replica, type Replicas } from "../helpers/replicas.ts";
import {
  chunk,
  completion,
  startUpstream,
  toolCall,
  type Answer,
  type ScriptedUpstream,
} from "../helpers/upstream.ts";

type Json = Record<string, unknown>;
type Name = "node a" | "node b" | "workerd";

let started: Replicas<Name>;
let addId: string;
const at = (name: Name): Replica => started.at[name];

beforeAll(async () => {
  started = await startReplicas({
    "node a": { runtime: "node" },
    "node b": { runtime: "node" },
    workerd: { runtime: "workerd" },
  });
  const number = { type: "number" };
  const tool = {
    name: "add",
    type: "function",
    parameters: { type: "object", properties: { a: number, b: number } },
    implementation: "return args.a + args.b;",
  };
  addId = (await adminCall<{ id: string }>(at("node a").url, "/tools", tool)).id;
});
afterAll(() => started.stop());

/** An application with a tool `ask` of its own. */
interface Application {
  key: string;
  keyId: string;
  upstream: ScriptedUpstream;
}

async function application(
  rounds: ScriptedRound[] | Answer,
  fields: Json = {},
): Promise<Application> {
  const upstream = await (typeof rounds === "function"
    ? startUpstream(rounds)
    : startRounds(...rounds));
  const key = { name: "an application", toolIds: [addId], openaiBaseUrl: upstream.url, ...fields };
  const { key: secret, id } = await adminCall<{ key: string; id: string }>(
    at("node a").url,
    "/api-keys",
    key,
  );
  return { key: secret, keyId: id, upstream };
}

const USER = { role: "user", content: "go" };
const TOOLS = [
  {
    type: "function",
    function: {
      name: "ask",
      parameters: { type: "object", properties: { q: { type: "string" } } },
    },
  },
];
const add = (id: string, a: number, b: number) => ({
  id,
  name: "add",
  arguments: `{"a":${a}, "b":${b}}`,
});
const asks = (id: string) => ({ id, name: "ask", arguments: `{"q": "${id}?"}` });
const result = (id: string, content: string) => ({ role: "tool", tool_call_id: id, content });

const MIXED: ScriptedRound = { text: "Let me see.", calls: [add("c1", 1, 2), asks("u1")] };
const WIDE: ScriptedRound = {
  text: "Let me see.",
  calls: [asks("u1"), add("c1", 1, 2), asks("u2"), add("c2", 3, 4), asks("u3")],
};
const DONE: ScriptedRound = { text: "All is well." };

const MIXED_LINE = 'assistant: Let me see. [c1 add {"a":1, "b":2}] [u1 ask {"q": "u1?"}]';
const SPLICED = ["user: go", MIXED_LINE, "tool c1: 3", "tool u1: yes"];
const UNSPLICED = ["user: go", 'assistant: Let me see. [u1 ask {"q": "u1?"}]', "tool u1: yes"];
const WIDE_LINE =
  'assistant: Let me see. [u1 ask {"q": "u1?"}] [c1 add {"a":1, "b":2}] [u2 ask {"q": "u2?"}] [c2 add {"a":3, "b":4}] [u3 ask {"q": "u3?"}]';

/** Sends messages there, and gives the answer. */
function send(
  place: Replica,
  app: Application,
  { messages, streamed = false, ...more }: Json & { messages: unknown[]; streamed?: boolean },
) {
  return askOfficially(
    { url: place.url, key: app.key },
    { messages, tools: TOOLS, ...more },
    streamed,
  );
}

const callIds = ({ message }: AnsweredTurn) => (message.tool_calls ?? []).map(({ id }) => id);
const back = ({ message }: AnsweredTurn, ...results: Json[]) => [USER, message, ...results];

/** The lines that upstream was sent when the client of {@link MIXED} came back. */
async function returned(
  app: Application,
  to: Replica,
  request: Json & { messages: unknown[] },
): Promise<string[]> {
  expect((await send(to, app, request)).message.content).toBe(DONE.text);
  return historyOf(app.upstream, 1);
}

async function inDatabase<T>(query: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(started.databaseUrl, { max: 1 });
  try {
    return await query(sql);
  } finally {
    await sql.end();
  }
}

const keptRows = (keyId: string) =>
  inDatabase(
    async (sql) => (await sql`select lookup from hidden_rounds where api_key_id = ${keyId}`).length,
  );

describe("a client that was given its calls at one replica and brings its results to another", () => {
  const names: Name[] = ["node a", "node b", "workerd"];
  const pairs = names.flatMap((first) =>
    names.filter((second) => second !== first).map((second) => ({ first, second })),
  );

  it.each(pairs)(
    "($first, then $second) leaves the model one history, streamed and whole",
    async ({ first, second }) => {
      for (const [streamedFirst, streamedThen] of [
        [true, true],
        [true, false],
        [false, true],
        [false, false],
      ] as const) {
        const app = await application([MIXED, DONE]);
        const answer = await send(at(first), app, { messages: [USER], streamed: streamedFirst });
        expect([answer.message.content, callIds(answer), answer.finishReason]).toEqual([
          "Let me see.",
          ["u1"],
          "tool_calls",
        ]);
        const messages = back(answer, result("u1", "yes"));
        expect(await returned(app, at(second), { messages, streamed: streamedThen })).toEqual(
          SPLICED,
        );
      }
    },
  );

  it("and the calls of the next mixed round to a third finds all of the turn there", async () => {
    const app = await application([
      MIXED,
      { calls: [add("c2", 3, 4)] },
      { calls: [asks("u2"), add("c3", 5, 6)] },
      DONE,
    ]);
    const first = await send(at("workerd"), app, { messages: [USER], streamed: true });
    const messages = back(first, result("u1", "yes"));
    const second = await send(at("node a"), app, { messages });
    expect(callIds(second)).toEqual(["u2"]);
    await send(at("node b"), app, {
      messages: [...messages, second.message, result("u2", "no")],
      streamed: true,
    });
    expect(historyOf(app.upstream, 3)).toEqual([
      ...SPLICED,
      'assistant:  [c2 add {"a":3, "b":4}]',
      "tool c2: 7",
      'assistant:  [u2 ask {"q": "u2?"}] [c3 add {"a":5, "b":6}]',
      "tool u2: no",
      "tool c3: 11",
    ]);
  });

  it("may bring them in another order: the model finds them in its own", async () => {
    const app = await application([WIDE, DONE]);
    const answer = await send(at("node a"), app, { messages: [USER] });
    expect(callIds(answer)).toEqual(["u1", "u2", "u3"]);
    const messages = back(answer, result("u3", "three"), result("u1", "one"), result("u2", "two"));
    const results = ["tool u1: one", "tool c1: 3", "tool u2: two", "tool c2: 7", "tool u3: three"];
    expect(await returned(app, at("workerd"), { messages })).toEqual([
      "user: go",
      WIDE_LINE,
      ...results,
    ]);
  });

  it("may lack one: the model is told that there is none", async () => {
    const app = await application([WIDE, DONE]);
    const answer = await send(at("workerd"), app, { messages: [USER], streamed: true });
    const messages = back(answer, result("u1", "one"), result("u3", "three"));
    const missing = "tool u2: Error: the application returned no result for this call.";
    const results = ["tool u1: one", "tool c1: 3", missing, "tool c2: 7", "tool u3: three"];
    expect(await returned(app, at("node b"), { messages })).toEqual([
      "user: go",
      WIDE_LINE,
      ...results,
    ]);
  });
});

describe("nothing is put back, and the request works", () => {
  const elsewhere: { from: Name; to: Name }[] = [
    { from: "node a", to: "workerd" },
    { from: "workerd", to: "node b" },
  ];

  it.each(elsewhere)(
    "where the client has edited what the model said ($from, then $to)",
    async ({ from, to }) => {
      const app = await application([MIXED, DONE]);
      const answer = await send(at(from), app, { messages: [USER] });
      const messages = [USER, { ...answer.message, content: "I ask you." }, result("u1", "yes")];
      expect(await returned(app, at(to), { messages })).toEqual(
        UNSPLICED.map((line) => line.replace("Let me see.", "I ask you.")),
      );
    },
  );

  it.each(elsewhere)(
    "where the client has edited the arguments of a call ($from, then $to)",
    async ({ from, to }) => {
      const app = await application([MIXED, DONE]);
      const { message } = await send(at(from), app, { messages: [USER] });
      const [call] = message.tool_calls ?? [];
      const edited = { ...call, function: { name: "ask", arguments: '{"q":"what?"}' } };
      const messages = [USER, { ...message, tool_calls: [edited] }, result("u1", "yes")];
      expect(await returned(app, at(to), { messages })).toEqual(
        UNSPLICED.map((line) => line.replace('{"q": "u1?"}', '{"q":"what?"}')),
      );
    },
  );

  it.each(elsewhere)("where the time for it has passed ($from, then $to)", async ({ from, to }) => {
    const app = await application([MIXED, DONE]);
    const answer = await send(at(from), app, { messages: [USER] });
    const changed = await inDatabase(
      (sql) =>
        sql`update hidden_rounds set expires_at = now() - interval '1 second' where api_key_id = ${app.keyId}`,
    );
    expect(changed.count).toBe(1);
    expect(await returned(app, at(to), { messages: back(answer, result("u1", "yes")) })).toEqual(
      UNSPLICED,
    );
  });

  it.each(elsewhere)(
    "for another key with the very same history ($from, then $to)",
    async ({ from, to }) => {
      const [app, other] = [await application([MIXED, DONE]), await application([DONE])];
      const messages = back(await send(at(from), app, { messages: [USER] }), result("u1", "yes"));
      await send(at(to), other, { messages });
      expect(historyOf(other.upstream, 0)).toEqual(UNSPLICED);
      expect(await returned(app, at(to), { messages })).toEqual(SPLICED);
    },
  );

  it.each(elsewhere)(
    "for another end user of the same key ($from, then $to)",
    async ({ from, to }) => {
      const app = await application([MIXED, DONE, DONE]);
      const messages = back(
        await send(at(from), app, { messages: [USER], user: "ann" }),
        result("u1", "yes"),
      );
      expect(await returned(app, at(to), { messages, user: "bob" })).toEqual(UNSPLICED);
      await send(at(to), app, { messages, user: "ann" });
      expect(historyOf(app.upstream, 2)).toEqual(SPLICED);
    },
  );
});

describe("a key without memory between turns", () => {
  const next = { role: "user", content: "and?" };
  const rounds = [{ text: "Hm.", calls: [add("c1", 1, 2)] }, { text: "Three." }, MIXED, DONE, DONE];

  it.each([true, false])(
    "has its mixed rounds all the same, and only them (streamed: %s)",
    async (streamed) => {
      const app = await application(rounds, { toolMemory: false });
      const first = await send(at("workerd"), app, { messages: [USER], streamed });
      const second = await send(at("node a"), app, {
        messages: [USER, first.message, next],
        streamed,
      });
      expect(historyOf(app.upstream, 2)).toEqual([
        "user: go",
        "assistant: Hm.\n\nThree.",
        "user: and?",
      ]);
      const messages = [USER, first.message, next, second.message, result("u1", "yes")];
      const third = await send(at("workerd"), app, { messages, streamed });
      expect(historyOf(app.upstream, 3)).toEqual([
        "user: go",
        "assistant: Hm.\n\nThree.",
        "user: and?",
        ...SPLICED.slice(1),
      ]);
      await send(at("node b"), app, { messages: [...messages, third.message, next], streamed });
      const visible = [
        "user: go",
        "assistant: Hm.\n\nThree.",
        "user: and?",
        ...UNSPLICED.slice(1),
        "assistant: All is well.",
        "user: and?",
      ];
      expect(historyOf(app.upstream, 4)).toEqual(visible);
      expect(await keptRows(app.keyId)).toBe(1);
    },
  );

  it("differs in that from any other key", async () => {
    const app = await application(rounds);
    const first = await send(at("workerd"), app, { messages: [USER] });
    await send(at("node a"), app, { messages: [USER, first.message, next] });
    const hidden = [
      "user: go",
      'assistant: Hm. [c1 add {"a":1, "b":2}]',
      "tool c1: 3",
      "assistant: Three.",
      "user: and?",
    ];
    expect(historyOf(app.upstream, 2)).toEqual(hidden);
  });
});

/** How long a client waits at most where the database is away: the proxy's own limit is 2.5 s. */
const PATIENCE_MS = 4000;

/** Gives the mixed round, once the gate is open, and an answer to whoever is back with results. */
function behind(gate: Promise<void>): Answer {
  const [u1, c1] = [toolCall("u1", "ask", '{"q": "u1?"}'), toolCall("c1", "add", '{"a":1, "b":2}')];
  return async (request, response) => {
    const { messages, stream } = request.json() as {
      messages: { role: string }[];
      stream?: boolean;
    };
    if (messages.at(-1)?.role === "tool")
      return completion({ content: DONE.text })(request, response);
    if (stream !== true)
      return gate.then(() =>
        completion({ content: MIXED.text, tool_calls: [c1, u1] })(request, response),
      );
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(
      `data: ${JSON.stringify(chunk({ role: "assistant", content: MIXED.text }))}\n\n`,
    );
    await gate;
    const calls = [c1, u1].map((call, index) => chunk({ tool_calls: [{ index, ...call }] }));
    for (const payload of [...calls, chunk({}, "tool_calls"), "[DONE]"])
      response.write(
        `data: ${typeof payload === "string" ? payload : JSON.stringify(payload)}\n\n`,
      );
    response.end();
  };
}

describe("with the database away", () => {
  const ways: { at: Name; way: "cut" | "stall"; to: Name }[] = [
    { at: "node a", way: "cut", to: "workerd" },
    { at: "node a", way: "stall", to: "workerd" },
    { at: "workerd", way: "cut", to: "node b" },
  ];

  it.each(ways)(
    "an answer ends, and what was hidden of it gets there with its record ($at, $way)",
    async ({ at: name, way, to }) => {
      const gate = Promise.withResolvers<void>();
      const app = await application(behind(gate.promise));
      const users = ["streamed", "whole"].map((content) => ({ role: "user", content }));
      const asked = users.map((user) =>
        send(at(name), app, { messages: [user], streamed: user.content === "streamed" }),
      );
      await expect.poll(() => app.upstream.requests.length).toBe(2);
      await new Promise((resolve) => setTimeout(resolve, 100));
      onTestFinished(at(name).wire.mend);
      at(name).wire[way]();
      const cutAt = performance.now();
      gate.resolve();
      const answers = await Promise.all(asked);
      expect(performance.now() - cutAt).toBeLessThan(PATIENCE_MS);
      expect(answers.map(callIds)).toEqual([["u1"], ["u1"]]);
      expect(await keptRows(app.keyId)).toBe(0);
      at(name).wire.mend();
      for (const answer of answers)
        expect((await conversationAt(at(to).url, answer.conversationId)).status).toBe("completed");
      for (const [index, user] of users.entries()) {
        const messages = [user, answers[index]?.message, result("u1", "yes")];
        expect((await send(at(to), app, { messages })).message.content).toBe(DONE.text);
        expect(historyOf(app.upstream, 2 + index)).toEqual([
          `user: ${user.content}`,
          ...SPLICED.slice(1),
        ]);
      }
    },
  );

  it.each(ways)(
    "a client that comes back is answered in time, with what was hidden ($at, $way)",
    async ({ at: name, way }) => {
      const app = await application([MIXED, DONE, DONE]);
      const answer = await send(at(name), app, { messages: [USER] });
      const messages = back(answer, result("u1", "yes"));
      // Another key is made, so that the proxy asks about this one again, as it does after some
      // seconds anyway.
      await adminCall(at(name).url, "/api-keys", { name: "another" });
      onTestFinished(at(name).wire.mend);
      at(name).wire[way]();
      const cutAt = performance.now();
      expect(await returned(app, at(name), { messages, streamed: true })).toEqual(SPLICED);
      expect(performance.now() - cutAt).toBeLessThan(PATIENCE_MS);
      at(name).wire.mend();
      await expect
        .poll(async () => (await fetch(`${at(name).url}/health`)).json(), { timeout: 15_000 })
        .toMatchObject({ status: "ok" });
      await send(at(name), app, { messages });
      expect(historyOf(app.upstream, 2)).toEqual(SPLICED);
    },
  );

  it.each(ways)(
    "a client that comes back to another replica is told to try again ($at, $way, to $to)",
    async ({ at: name, way, to }) => {
      const app = await application([DONE, MIXED, DONE]);
      // This replica must know the key.
      await send(at(name), app, { messages: [{ role: "user", content: "hello" }] });
      const messages = back(await send(at(to), app, { messages: [USER] }), result("u1", "yes"));
      onTestFinished(at(name).wire.mend);
      at(name).wire[way]();
      const answer = await fetch(`${at(name).url}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${app.key}`, "content-type": "application/json" },
        body: JSON.stringify({ model: "gpt-test", messages, tools: TOOLS }),
      });
      expect(answer.status).toBe(503);
      expect(answer.headers.get("retry-after")).toBe("2");
      expect(await answer.json()).toMatchObject({ error: { code: "database_unavailable" } });
      at(name).wire.mend();
      await expect
        .poll(async () => (await fetch(`${at(name).url}/health`)).json(), { timeout: 15_000 })
        .toMatchObject({ status: "ok" });
      await send(at(name), app, { messages });
      expect(historyOf(app.upstream, 2)).toEqual(SPLICED);
    },
  );
});
