/** Which requests are one conversation, and what of them is stored. */
import { describe, expect, it } from "vitest";
import { ask, keyWithAdd, type AddingKey } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import {
  chunk,
  completion,
  events,
  json,
  startUpstream,
  toolCall,
  usageChunk,
  type Answer,
} from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const user = (content: unknown) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });

/** Answers with the number of messages that it was asked with, streamed where it was asked so. */
const counting: Answer = (request, response) => {
  const body = request.json();
  const content = `answer to ${(body["messages"] as Json[]).length}`;
  const answer =
    body["stream"] === true
      ? events(chunk({ role: "assistant", content }), chunk({}, "stop"), usageChunk())
      : completion({ content });
  return answer(request, response);
};

async function plainKey(
  answer: Answer = counting,
  more: Json = {},
): Promise<{ key: string; id: string }> {
  const upstream = await startUpstream(answer);
  return proxy.createKey({ openaiBaseUrl: upstream.url, ...more });
}

const keys: Record<string, () => Promise<{ key: string }>> = {
  "a key without tools": () => plainKey(),
  "a key with tools": () => keyWithAdd(() => [counting]),
};

interface Reply {
  conversationId: string;
  content: string;
  status: number;
}

async function send(
  { key }: { key: string },
  messages: Json[],
  more: { body?: Json; headers?: Record<string, string> } = {},
): Promise<Reply> {
  const response = await fetch(`${proxy.url}/v1/chat/completions`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
      ...more.headers,
    },
    body: JSON.stringify(ask({ messages, ...more.body })),
  });
  const text = await response.text();
  const content = text.startsWith("data:")
    ? [...text.matchAll(/"content":"([^"]*)"/g)].map(([, part]) => part).join("")
    : ((JSON.parse(text) as { choices?: { message: { content: string } }[] }).choices?.[0]?.message
        .content ?? "");
  return {
    conversationId: response.headers.get("x-proxy-conversation-id") ?? "",
    content,
    status: response.status,
  };
}

interface Detail {
  id: string;
  turnCount: number;
  messageCount: number;
  messages: {
    role: string;
    content: unknown;
    extra: Json | null;
    toolCalls: unknown;
    turnId: string;
  }[];
  turns: { id: string; parentTurnId: string | null; status: string }[];
  branches: { id: string; branchOfTurnId: string }[];
  inherited: { messages: { content: unknown }[]; turns: { id: string }[] };
  branchOfConversationId: string | null;
  toolExecutions: { arguments: unknown; result: unknown; error: unknown }[];
  title: string;
}

/** The conversation once it has so many turns. */
async function conversation(id: string, turns: number): Promise<Detail> {
  const read = async () => (await (await proxy.admin(`/conversations/${id}`)).json()) as Detail;
  await expect.poll(async () => (await read()).turnCount, { timeout: 10_000 }).toBe(turns);
  return read();
}

const contents = ({ messages }: { messages: { content: unknown }[] }) =>
  messages.map(({ content }) => content);

describe("turns that go on from one another", () => {
  it.each(Object.keys(keys).flatMap((way) => [false, true].map((stream) => ({ way, stream }))))(
    "are one conversation, of which only what is new is stored: $way, streamed: $stream",
    async ({ way, stream }) => {
      const key = await (keys[way] ?? plainKey)();
      const history: Json[] = [{ role: "system", content: "Count." }];
      const ids = new Set<string>();
      for (let turn = 1; turn <= 5; turn++) {
        history.push(user(`question ${turn}`));
        const { conversationId, content } = await send(key, history, { body: { stream } });
        ids.add(conversationId);
        history.push(assistant(content));
      }
      expect(ids.size).toBe(1);
      const detail = await conversation([...ids][0] ?? "", 5);
      expect(contents(detail)).toEqual(history.map(({ content }) => content));
      expect(detail).toMatchObject({ messageCount: 11, branches: [], inherited: { messages: [] } });
      expect(detail.turns.map(({ parentTurnId }) => parentTurnId)).toEqual([
        null,
        ...detail.turns.slice(0, 4).map(({ id }) => id),
      ]);
    },
  );

  it("are found though the client spells its history anew", async () => {
    const key = await plainKey();
    const first = await send(key, [user("one")]);
    const second = await send(key, [
      user([{ type: "text", text: "one" }]),
      { ...assistant(first.content), refusal: null, annotations: [] },
      user("two"),
    ]);
    expect(second.conversationId).toBe(first.conversationId);
  });

  it("with a client's calls are one, the results too", async () => {
    const tools = [
      {
        type: "function",
        function: { name: "ask", parameters: { type: "object", properties: {} } },
      },
    ];
    const key = await keyWithAdd((name) => [
      completion({ tool_calls: [toolCall("c1", "ask", {}), toolCall("s1", name, { a: 1, b: 2 })] }),
      completion({ content: "done" }),
    ]);
    const first = await send(key, [user("go")], { body: { tools } });
    const call = { role: "assistant", content: null, tool_calls: [toolCall("c1", "ask", {})] };
    const second = await send(
      key,
      [user("go"), call, { role: "tool", tool_call_id: "c1", content: "yes" }],
      { body: { tools } },
    );
    expect(second.conversationId).toBe(first.conversationId);
    const detail = await conversation(first.conversationId, 2);
    expect(detail.messages.filter(({ content }) => content === "go")).toHaveLength(1);
    expect(contents(detail).slice(-2)).toEqual(["yes", "done"]);
  });

  it("are not joined across keys, end users, or edited answers", async () => {
    const [key, other] = [await plainKey(), await plainKey()];
    const first = await send(key, [user("one")]);
    const next = [user("one"), assistant(first.content), user("two")];
    const strangers = [
      await send(other, next),
      await send(key, next, { body: { user: "somebody else" } }),
      await send(key, [user("one"), assistant("edited"), user("two")]),
    ];
    expect(new Set([first, ...strangers].map(({ conversationId }) => conversationId)).size).toBe(4);
    expect((await send(key, next)).conversationId).toBe(first.conversationId);
  });

  it("are two conversations where two begin alike", async () => {
    const key = await plainKey();
    const ids = [await send(key, [user("hi")]), await send(key, [user("hi")])].map(
      ({ conversationId }) => conversationId,
    );
    expect(new Set(ids).size).toBe(2);
  });
});

describe("branches of one history", () => {
  it("are kept apart and linked, also when they are asked for at the same time", async () => {
    const key = await plainKey();
    const first = await send(key, [user("one")]);
    const next = (text: string) => send(key, [user("one"), assistant(first.content), user(text)]);
    const both = await Promise.all([next("left"), next("right")]);
    const branch = both.find(({ conversationId }) => conversationId !== first.conversationId);
    expect(
      both.filter(({ conversationId }) => conversationId === first.conversationId),
    ).toHaveLength(1);
    const root = await conversation(first.conversationId, 2);
    const other = await conversation(branch?.conversationId ?? "", 1);
    expect(other).toMatchObject({
      branchOfConversationId: root.id,
      inherited: { messages: [{ content: "one" }, { content: first.content }] },
    });
    expect(contents(other)).toHaveLength(2);
    expect([...contents(root), ...contents(other)]).toEqual(
      expect.arrayContaining(["left", "right"]),
    );
    await expect
      .poll(async () => (await conversation(first.conversationId, 2)).branches)
      .toMatchObject([{ id: other.id, branchOfTurnId: root.turns[0]?.id }]);
    const again = await next("once more");
    expect([root.id, other.id]).not.toContain(again.conversationId);
  });

  it("are none where the turn before failed: trying again goes on", async () => {
    const upstream = await startUpstream(
      completion({ content: "a" }),
      json({ error: { message: "no", type: "x", param: null, code: null } }, 500),
      completion({ content: "b" }),
    );
    const key = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const history = [user("one"), assistant("a"), user("two")];
    const first = await send(key, [user("one")]);
    const [failed, tried] = [await send(key, history), await send(key, history)];
    expect([failed.status, tried.status]).toEqual([500, 200]);
    expect([failed.conversationId, tried.conversationId]).toEqual([
      first.conversationId,
      first.conversationId,
    ]);
    expect((await conversation(first.conversationId, 3)).turns.map(({ status }) => status)).toEqual(
      ["completed", "failed", "completed"],
    );
  });
});

describe("x-conversation-id", () => {
  const named = (name: string) => ({ headers: { "x-conversation-id": name } });

  it("names a conversation, whatever its histories are", async () => {
    const key = await plainKey();
    const name = `chat of ${crypto.randomUUID()}`;
    const ids = [
      await send(key, [user("one")], named(name)),
      await send(key, [user("another")], named(name)),
    ].map(({ conversationId }) => conversationId);
    expect(new Set(ids).size).toBe(1);
    const detail = await conversation(ids[0] ?? "", 2);
    expect(contents(detail)).toEqual(["one", "answer to 1", "another", "answer to 1"]);
    const first = await send(key, [user("free")]);
    const second = await send(key, [user("something else")], named(first.conversationId));
    expect(second.conversationId).toBe(first.conversationId);
    await conversation(first.conversationId, 2);
  });

  it("stores only what is new of a named conversation", async () => {
    const key = await plainKey();
    const name = crypto.randomUUID();
    const first = await send(key, [user("one")], named(name));
    const second = await send(
      key,
      [user("one"), assistant(first.content), user("two")],
      named(name),
    );
    expect([first.conversationId, second.conversationId]).toEqual([name, name]);
    expect(contents(await conversation(name, 2))).toEqual([
      "one",
      "answer to 1",
      "two",
      "answer to 3",
    ]);
  });

  it("holds for a history that another conversation goes on from, too", async () => {
    const key = await plainKey();
    const first = await send(key, [user("one")]);
    const history = [user("one"), assistant(first.content), user("two")];
    const name = crypto.randomUUID();
    expect((await send(key, history, named(name))).conversationId).toBe(name);
    const next = await send(key, history);
    expect(next.conversationId).toBe(first.conversationId);
  });

  it("never reaches into another key's conversation", async () => {
    const [key, other] = [await plainKey(), await plainKey()];
    const first = await send(key, [user("mine")]);
    await conversation(first.conversationId, 1);
    await send(other, [user("intruder")], named(first.conversationId));
    await send(other, [user("intruder")], named("x"));
    const [mine, theirs] = [
      await send(key, [user("a")], named("x")),
      await send(other, [user("b")], named("x")),
    ];
    expect(mine.conversationId).not.toBe(theirs.conversationId);
    await conversation(theirs.conversationId, 2);
    expect(contents(await conversation(first.conversationId, 1))).toEqual(["mine", "answer to 1"]);
  });

  it("never reaches into another key's conversation that is not on record yet", async () => {
    const [key, other] = [await plainKey(), await plainKey()];
    const first = await send(key, [user("mine")]);
    const intruder = await send(other, [user("intruder")], named(first.conversationId));
    const again = await send(other, [user("again")], named(first.conversationId));
    expect(intruder.conversationId).not.toBe(first.conversationId);
    expect(again.conversationId).toBe(intruder.conversationId);
    const theirs = await conversation(intruder.conversationId, 2);
    expect(contents(theirs)).toEqual(["intruder", "answer to 1", "again", "answer to 1"]);
    expect(contents(await conversation(first.conversationId, 1))).toEqual(["mine", "answer to 1"]);
  });

  it("is refused where it is too long", async () => {
    const key = await plainKey();
    expect((await send(key, [user("x")], named("x".repeat(201)))).status).toBe(400);
  });
});

describe("what is stored of a message", () => {
  const picture = Buffer.from(Array.from({ length: 900 }, (_, index) => index % 251));
  const parts = [
    { type: "text", text: "What is it?" },
    {
      type: "image_url",
      image_url: { url: `data:image/png;base64,${picture.toString("base64")}`, detail: "low" },
    },
    { type: "image_url", image_url: { url: "https://example.com/a.png" } },
    { type: "input_audio", input_audio: { data: picture.toString("base64"), format: "wav" } },
  ];

  it("has images and sounds by hash and size", async () => {
    const { conversationId } = await send(await plainKey(), [user(parts)]);
    const detail = await conversation(conversationId, 1);
    const { createHash } = await import("node:crypto");
    const sha256 = createHash("sha256").update(picture).digest("hex");
    expect(detail.messages[0]?.content).toEqual([
      parts[0],
      {
        type: "image_url",
        image_url: {
          url: { stored: { sha256, bytes: 900, mediaType: "image/png" } },
          detail: "low",
        },
      },
      parts[2],
      {
        type: "input_audio",
        input_audio: { data: { stored: { sha256, bytes: 900, mediaType: null } }, format: "wav" },
      },
    ]);
    expect(detail.title).toBe("What is it?");
  });

  it("has reasoning and refusals beside the content", async () => {
    const key = await plainKey(
      completion({ content: null, refusal: "No.", reasoning_content: "Hm." }),
    );
    const { conversationId } = await send(key, [{ ...user("x"), name: "ann" }]);
    const { messages } = await conversation(conversationId, 1);
    expect(messages).toMatchObject([
      { extra: { name: "ann" } },
      { content: "No.", extra: { refusal: "No.", reasoning_content: "Hm." } },
    ]);
  });

  it("has no content where the key logs metadata only, and is one conversation all the same", async () => {
    const adding: AddingKey = await keyWithAdd((name) => [
      completion({ content: "secret text", tool_calls: [toolCall("s1", name, { a: 40, b: 2 })] }),
      completion({ content: "secret answer" }),
      completion({ content: "more" }),
    ]);
    const { data } = (await (await proxy.admin("/api-keys?limit=200")).json()) as {
      data: { id: string; keyPrefix: string }[];
    };
    const id = data.find(({ keyPrefix }) => adding.key.startsWith(keyPrefix))?.id ?? "";
    expect(
      (await proxy.admin(`/api-keys/${id}`, { method: "PATCH", json: { logContent: "metadata" } }))
        .status,
    ).toBe(200);
    const first = await send(adding, [user("secret question")]);
    const second = await send(adding, [
      user("secret question"),
      assistant(first.content),
      user("secret again"),
    ]);
    expect(second.conversationId).toBe(first.conversationId);
    const detail = await conversation(first.conversationId, 2);
    expect(JSON.stringify(detail)).not.toMatch(/secret|"a":/);
    expect(detail.messages.map(({ role }) => role)).toEqual([
      "user",
      "assistant",
      "tool",
      "assistant",
      "user",
      "assistant",
    ]);
    expect(detail.messages[1]?.toolCalls).toEqual([
      { id: "s1", type: "function", function: { name: adding.name } },
    ]);
    expect(detail).toMatchObject({
      title: "",
      turnCount: 2,
      toolExecutions: [{ arguments: {}, result: null, error: null }],
    });
  });
});
