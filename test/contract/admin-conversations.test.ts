import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { completion, json, startUpstream, toolCall, type Answer } from "../helpers/upstream.ts";

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const UUID = /^[0-9a-f-]{36}$/;

interface Row {
  id: string;
  [field: string]: unknown;
}

interface Detail extends Row {
  turns: Row[];
  messages: Row[];
  toolExecutions: Row[];
  rounds: Row[];
}

const list = async (query: string) =>
  (await (await proxy.admin(`/conversations?${query}`)).json()) as {
    data: Row[];
    nextCursor: string | null;
  };

/** Asks once, and waits for the record. */
async function converse(
  fields: Record<string, unknown>,
  content: unknown,
  ...answers: Answer[]
): Promise<{ keyId: string; keyName: string; detail: Detail }> {
  const upstream = await startUpstream(...answers);
  const keyName = `key ${crypto.randomUUID()}`;
  const key = await proxy.createKey({ ...fields, name: keyName, openaiBaseUrl: upstream.url });
  const response = await fetch(`${proxy.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "gpt-test", messages: [{ role: "user", content }] }),
  });
  await response.text();
  const detail = (await proxy.conversation(
    response.headers.get("x-proxy-conversation-id") ?? "",
  )) as unknown as Detail;
  return { keyId: key.id, keyName, detail };
}

describe("a conversation on record", () => {
  it("shows messages, tool executions and rounds in the order in which they happened", async () => {
    const implementation =
      "console.log('working'); if (args.x === 2) throw new Error('not two'); return args.x;";
    const tool = await proxy.createTool({ name: "echo", type: "function", implementation });
    const calls = [
      toolCall("call_1", tool.name, { x: 1 }),
      toolCall("call_2", tool.name, { x: 2 }),
    ];
    const { keyId, keyName, detail } = await converse(
      { toolIds: [tool.id] },
      "What is it?",
      completion({ content: "Let me see.", tool_calls: calls }),
      completion({ content: "It is one." }),
    );
    const { turns, messages, toolExecutions, rounds, ...row } = detail;
    expect(row).toEqual({
      branches: [],
      inherited: { turns: [], messages: [], toolExecutions: [], rounds: [] },
      id: expect.stringMatching(UUID),
      apiKeyId: keyId,
      apiKeyName: keyName,
      model: "gpt-test",
      endpoint: "/v1/chat/completions",
      kind: "conversation",
      title: "What is it?",
      status: "completed",
      statuses: ["completed"],
      error: null,
      errorCode: null,
      messageCount: 5,
      toolExecutionCount: 2,
      promptTokens: 20,
      completionTokens: 10,
      totalTokens: 30,
      tokensEstimated: false,
      turnCount: 1,
      toolsUsed: [tool.name],
      toolsFailed: [tool.name],
      cachedTokens: 4,
      reasoningTokens: null,
      cost: null,
      costIncomplete: true,
      branchOfTurnId: null,
      branchOfConversationId: null,
      durationMs: expect.any(Number),
      createdAt: expect.stringMatching(ISO),
      updatedAt: expect.stringMatching(ISO),
    });
    const always = {
      id: expect.stringMatching(UUID),
      createdAt: expect.stringMatching(ISO),
      turnId: turns[0]?.id,
    };
    expect(messages).toEqual([
      {
        ...always,
        role: "user",
        content: "What is it?",
        toolCalls: null,
        toolCallId: null,
        hidden: false,
        round: null,
        extra: null,
      },
      {
        ...always,
        role: "assistant",
        content: "Let me see.",
        toolCalls: calls,
        toolCallId: null,
        hidden: true,
        round: 1,
        extra: null,
      },
      {
        ...always,
        role: "tool",
        content: "1",
        toolCalls: null,
        toolCallId: "call_1",
        hidden: true,
        round: 1,
        extra: null,
      },
      {
        ...always,
        role: "tool",
        content: expect.stringContaining("not two"),
        toolCalls: null,
        toolCallId: "call_2",
        hidden: true,
        round: 1,
        extra: null,
      },
      {
        ...always,
        role: "assistant",
        content: expect.stringContaining("It is one."),
        toolCalls: null,
        toolCallId: null,
        hidden: false,
        round: 2,
        extra: null,
      },
    ]);
    const executed = {
      id: expect.stringMatching(UUID),
      turnId: turns[0]?.id,
      toolId: tool.id,
      toolName: tool.name,
      type: "function",
      round: 1,
      logs: ["working"],
      startedAt: expect.stringMatching(ISO),
      durationMs: expect.any(Number),
    };
    expect(
      toolExecutions.toSorted((a, b) =>
        String(a["toolCallId"]).localeCompare(String(b["toolCallId"])),
      ),
    ).toEqual([
      { ...executed, toolCallId: "call_1", arguments: { x: 1 }, result: "1", error: null },
      {
        ...executed,
        toolCallId: "call_2",
        arguments: { x: 2 },
        result: null,
        error: expect.stringContaining("not two"),
      },
    ]);
    const round = {
      turnId: turns[0]?.id,
      status: "completed",
      promptTokens: 10,
      completionTokens: 5,
      totalTokens: 15,
      durationMs: expect.any(Number),
      error: null,
      notes: [],
    };
    expect(rounds).toEqual([
      expect.objectContaining({ ...round, round: 1, finishReason: "tool_calls" }),
      expect.objectContaining({ ...round, round: 2, finishReason: "stop" }),
    ]);
    expect(rounds.every((entry) => "timeToFirstTokenMs" in entry)).toBe(true);
    expect(turns).toEqual([
      expect.objectContaining({
        endpoint: "/v1/chat/completions",
        streamed: false,
        errorCode: null,
        requestDigest: null,
        responseDigest: null,
        status: "completed",
        httpStatus: 200,
        toolsOffered: [tool.name],
        toolsShadowed: [],
      }),
    ]);
  });

  it("keeps content in parts as it was sent, and a failed turn with its error", async () => {
    const parts = [
      { type: "text", text: "look \0 here" },
      { type: "text", text: "and here" },
    ];
    const { detail } = await converse(
      {},
      parts,
      json({ error: { message: "no such model", type: "x", param: null, code: null } }, 404),
    );
    expect(detail["status"]).toBe("failed");
    expect(detail.messages[0]).toMatchObject({ role: "user", content: parts });
    expect(detail.turns[0]).toMatchObject({ status: "failed", httpStatus: 404 });
  });

  it("outlives its key and its tools", async () => {
    const { keyId, keyName, detail } = await converse({}, "hi", completion({ content: "hello" }));
    expect((await proxy.admin(`/api-keys/${keyId}`, { method: "DELETE" })).status).toBe(204);
    expect(await (await proxy.admin(`/conversations/${detail.id}`)).json()).toEqual(detail);
    expect((await list(`apiKeyId=${keyId}`)).data[0]).toMatchObject({
      id: detail.id,
      apiKeyName: keyName,
    });
  });

  it("is a 404 where there is none", async () => {
    for (const id of ["00000000-0000-7000-8000-000000000000", "x"]) {
      const answer = await proxy.admin(`/conversations/${id}`);
      expect([
        answer.status,
        ((await answer.json()) as { error: { code: string } }).error.code,
      ]).toEqual([404, "not_found"]);
    }
  });
});

describe("the list of conversations", () => {
  it("shows the rows without their messages, of one key or of all, newest first", async () => {
    const upstream = await startUpstream(completion({ content: "hello" }));
    const { id: keyId, key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const made: string[] = [];
    for (const question of ["one", "two", "three"]) {
      const { response } = await proxy
        .client(key)
        .chat.completions.create({ model: "m", messages: [{ role: "user", content: question }] })
        .withResponse();
      made.unshift(response.headers.get("x-proxy-conversation-id") ?? "");
    }
    for (const id of made) await proxy.conversation(id);

    const first = await list(`apiKeyId=${keyId}&limit=2`);
    expect(first.data.map(({ id }) => id)).toEqual(made.slice(0, 2));
    expect(first.nextCursor).toEqual(expect.any(String));
    const second = await list(`apiKeyId=${keyId}&limit=2&cursor=${first.nextCursor}`);
    expect(second).toMatchObject({ data: [{ id: made[2], title: "one" }], nextCursor: null });
    expect(Object.keys(first.data[0] ?? {}).toSorted()).toEqual(
      [
        "id",
        "apiKeyId",
        "apiKeyName",
        "model",
        "endpoint",
        "kind",
        "title",
        "status",
        "statuses",
        "error",
        "errorCode",
        "messageCount",
        "toolExecutionCount",
        "promptTokens",
        "completionTokens",
        "totalTokens",
        "tokensEstimated",
        "turnCount",
        "toolsUsed",
        "toolsFailed",
        "cachedTokens",
        "reasoningTokens",
        "cost",
        "costIncomplete",
        "branchOfTurnId",
        "branchOfConversationId",
        "durationMs",
        "createdAt",
        "updatedAt",
      ].toSorted(),
    );
    expect(
      (await list("limit=200")).data.map(({ id }) => id).filter((id) => made.includes(id)),
    ).toEqual(made);
  });

  it("refuses a filter, a limit and a cursor that cannot be", async () => {
    for (const [query, param] of [
      ["apiKeyId=x", "apiKeyId"],
      ["limit=0", "limit"],
      ["cursor=x", "cursor"],
    ]) {
      const answer = await proxy.admin(`/conversations?${query}`);
      expect([
        answer.status,
        ((await answer.json()) as { error: { param: string } }).error.param,
      ]).toEqual([400, param]);
    }
  });
});
