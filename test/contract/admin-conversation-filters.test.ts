import { beforeEach, describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { startRecorder } from "../helpers/recorded.ts";
import { completion, json, toolCall } from "../helpers/upstream.ts";

interface Row {
  id: string;
  createdAt: string;
  durationMs: number;
  toolsUsed: string[];
}

async function find(filter: Record<string, string>): Promise<Row[]> {
  const answer = await proxy.admin(`/conversations?${new URLSearchParams(filter)}`);
  const body = await answer.text();
  expect(answer.status, body).toBe(200);
  return (JSON.parse(body) as { data: Row[] }).data;
}

const idsOf = async (filter: Record<string, string>) => (await find(filter)).map(({ id }) => id);

async function refusal(query: string): Promise<[number, string]> {
  const answer = await proxy.admin(`/conversations?${query}`);
  const { error } = (await answer.json()) as { error: { param: string; message: string } };
  expect(error.message).toContain(error.param);
  return [answer.status, error.param];
}

interface Recorded {
  keyId: string;
  plain: string;
  failed: string;
  withTool: string;
  toolName: string;
}

const mark = `mark${crypto.randomUUID().slice(0, 8)}`;

async function record(): Promise<Recorded> {
  const { id: toolId, name: toolName } = await proxy.createTool({
    name: "look",
    type: "function",
    implementation: "return 'a result';",
  });
  const { keyId, converse } = await startRecorder(
    { toolIds: [toolId] },
    completion({ content: `The answer holds a zebra, "quoted", and C:\\temp\\${mark}.` }),
    json({ error: { message: "no such model", type: "x", param: null, code: null } }, 404),
    completion({ tool_calls: [toolCall("call_1", toolName, { place: "Reykjavik" })] }),
    completion({ content: "Done." }),
  );
  const plain = await converse(`What about Ünïcode 100% of_it? ${mark}`, { model: "model-one" });
  const failed = await converse("A second question", { model: "model-two" });
  const withTool = await converse("A third question", { model: "model-one" });
  return { keyId, plain, failed, withTool, toolName };
}

let recorded: Promise<Recorded> | null = null;

describe("conversations are found", () => {
  let [keyId, plain, failed, withTool, toolName] = ["", "", "", "", ""];
  const mine = () => ({ apiKeyId: keyId });

  beforeEach(async () => {
    ({ keyId, plain, failed, withTool, toolName } = await (recorded ??= record()));
  });

  it("by model, status and tool, alone and together", async () => {
    expect(await idsOf({ ...mine(), model: "model-one" })).toEqual([withTool, plain]);
    expect(await idsOf({ ...mine(), model: "model-" })).toEqual([]);
    expect(await idsOf({ ...mine(), status: "failed" })).toEqual([failed]);
    expect(await idsOf({ tool: toolName })).toEqual([withTool]);
    expect(await idsOf({ ...mine(), tool: "look" })).toEqual([]);
    expect(
      await idsOf({ ...mine(), model: "model-one", status: "completed", tool: toolName }),
    ).toEqual([withTool]);
    expect(await idsOf({ ...mine(), model: "model-two", status: "completed" })).toEqual([]);
    expect(await idsOf({ ...mine(), endpoint: "/v1/chat/completions" })).toHaveLength(3);
    expect(await idsOf({ ...mine(), endpoint: "/mcp" })).toEqual([]);
  });

  it("by when they began, from a moment on and before another", async () => {
    const [third, second, first] = await find(mine());
    const [at, before] = [second?.createdAt ?? "", first?.createdAt ?? ""];
    expect([third?.id, second?.id, first?.id]).toEqual([withTool, failed, plain]);
    expect(await idsOf({ ...mine(), from: at })).toEqual([withTool, failed]);
    expect(await idsOf({ ...mine(), to: at })).toEqual([plain]);
    expect(await idsOf({ ...mine(), from: before, to: at })).toEqual([plain]);
    const inTokyo = `${new Date(Date.parse(at) + 9 * 3_600_000).toISOString().slice(0, -1)}+09:00`;
    expect(await idsOf({ ...mine(), from: inTokyo })).toEqual([withTool, failed]);
  });

  it("by how long they took", async () => {
    const longest = Math.max(...(await find(mine())).map(({ durationMs }) => durationMs));
    expect((await idsOf({ ...mine(), minDurationMs: String(longest) })).length).toBeGreaterThan(0);
    expect(await idsOf({ ...mine(), minDurationMs: String(longest + 1) })).toEqual([]);
    expect(await idsOf({ ...mine(), minDurationMs: "0" })).toHaveLength(3);
  });

  it("by words of what was asked, answered, called and given back, the last of them as the start of a word", async () => {
    for (const [q, ids] of [
      ["zebra", [plain]],
      ["ZEBRA holds", [plain]],
      ["answer zeb", [plain]],
      ["zeb answer", []],
      ["Ünïcode", [plain]],
      ["quoted", [plain]],
      [`C:\\temp\\${mark}`, [plain]],
      ["reykjavik", [withTool]],
      ["a result", [withTool]],
      ["no such word at all", []],
    ] as const) {
      expect(await idsOf({ ...mine(), q }), q).toEqual(ids);
    }
  });

  it("by a part of their title, whatever it is", async () => {
    for (const q of ["hird quest", "A THIRD", "d questio"])
      expect(await idsOf({ ...mine(), q }), q).toContain(withTool);
    expect(await idsOf({ ...mine(), q: "100% of_it" })).toEqual([plain]);
    expect(await idsOf({ ...mine(), q: "t%bout" })).toEqual([]);
    expect(await idsOf({ ...mine(), q: "sec_nd" })).toEqual([]);
    expect(await idsOf({ ...mine(), q: "  " })).toHaveLength(3);
  });

  it("by nothing that the database would take for something else", async () => {
    const odd = [
      "'",
      "''",
      "\\",
      "\\'",
      '"',
      "!",
      "&",
      "| zebra",
      "zebra & !",
      "(",
      ")",
      ":*",
      "<->",
      "a:*b",
      "'zebra",
      "zebra'",
      "\0",
      "ze\0bra",
    ];
    for (const q of [
      ...odd,
      "\uD800",
      "%",
      "_",
      "$1",
      "--",
      "; drop table turns",
      "x".repeat(3000),
      "lorem ipsum ".repeat(800),
    ]) {
      await find({ ...mine(), q });
    }
    expect(await idsOf({ ...mine(), q: "zebra & !nothing" })).toEqual([]);
    expect(await idsOf({ ...mine(), q: "zebra'" })).toEqual([plain]);
    expect(await idsOf({ ...mine(), tool: `{"${toolName}"}` })).toEqual([]);
  });

  it("page by page like all of them", async () => {
    const list = async (query: string) =>
      (await (await proxy.admin(`/conversations?${query}`)).json()) as {
        data: Row[];
        nextCursor: string | null;
      };
    const first = await list(`apiKeyId=${keyId}&q=question&limit=1`);
    expect(first).toMatchObject({
      data: [{ id: withTool }],
      nextCursor: expect.any(String) as unknown,
    });
    expect(
      await list(`apiKeyId=${keyId}&q=question&limit=1&cursor=${first.nextCursor}`),
    ).toMatchObject({
      data: [{ id: failed }],
      nextCursor: null,
    });
  });

  it("by no filter that cannot be, and the answer says which", async () => {
    for (const [query, param] of [
      ["apiKeyId=x", "apiKeyId"],
      ["status=done", "status"],
      ["toolStatus=completed", "toolStatus"],
      ["kind=chat", "kind"],
      ["from=yesterday", "from"],
      ["from=2026-01-01T00:00:00", "from"],
      ["to=2026-13-01T00:00:00Z", "to"],
      ["minDurationMs=-1", "minDurationMs"],
      ["minDurationMs=1.5", "minDurationMs"],
      ["minDurationMs=x", "minDurationMs"],
      ["minDurationMs=99999999999", "minDurationMs"],
      [`q=${"x".repeat(10_001)}`, "q"],
    ] as const) {
      expect(await refusal(query), query.slice(0, 50)).toEqual([400, param]);
    }
  });
});

/** A conversation whose second turn failed, and whose first tool call did. */
async function recordTrouble() {
  const { id: toolId, name: toolName } = await proxy.createTool({
    name: "break",
    type: "function",
    implementation: "if (args.n === 1) throw new Error('broken'); return 'whole';",
    parameters: { type: "object", properties: { n: { type: "number" } } },
  });
  const other = await proxy.createTool({
    name: "hold",
    type: "function",
    implementation: "return 'held';",
  });
  const fault = { message: "overloaded", type: "server_error", param: null, code: "busy_now" };
  const recorder = await startRecorder(
    { toolIds: [toolId, other.id] },
    completion({ content: "First." }),
    json({ error: fault }, 503),
    completion({ content: "Third." }),
    completion({
      tool_calls: [toolCall("call_1", toolName, { n: 1 }), toolCall("call_2", other.name, {})],
    }),
    completion({ content: "It broke." }),
    completion({ tool_calls: [toolCall("call_1", toolName, { n: 2 })] }),
    completion({ content: "It held." }),
  );
  const user = (content: string) => ({ role: "user", content });
  const first = [user("one")];
  const later = [...first, { role: "assistant", content: "First." }, user("two")];
  const wavering = await recorder.converse("one");
  for (const messages of [later, later]) await recorder.ask("two", { messages });
  const broken = await recorder.converse("Break it");
  const whole = await recorder.converse("Do not break it");
  const { keyId } = recorder;
  await expect.poll(() => idsOf({ apiKeyId: keyId, status: "completed" })).toContain(whole);
  return { keyId, wavering, broken, whole, toolName, otherName: other.name };
}

let trouble: ReturnType<typeof recordTrouble> | null = null;
const troubled = () => (trouble ??= recordTrouble());

describe("what went wrong in a conversation", () => {
  it("is found and shown when a later turn went well", async () => {
    const { keyId, wavering } = await troubled();
    const [row, ...others] = await find({ apiKeyId: keyId, status: "failed" });
    expect(others).toEqual([]);
    expect(row).toMatchObject({
      id: wavering,
      endpoint: "/v1/chat/completions",
      kind: "conversation",
      status: "completed",
      turnCount: 3,
      error: expect.stringContaining("overloaded") as unknown,
    });
    expect((row as unknown as { statuses: string[] }).statuses.toSorted()).toEqual([
      "completed",
      "failed",
    ]);
    expect(await idsOf({ apiKeyId: keyId, status: "completed" })).toContain(wavering);
    for (const status of ["cancelled", "refused"])
      expect(await idsOf({ apiKeyId: keyId, status })).toEqual([]);
  });

  it("is found by the tool that failed, with a time and a key in one filter", async () => {
    const { keyId, broken, whole, toolName, otherName } = await troubled();
    const mine = { apiKeyId: keyId };
    expect(await idsOf({ ...mine, tool: toolName })).toEqual([whole, broken]);
    expect(await idsOf({ ...mine, tool: toolName, toolStatus: "failed" })).toEqual([broken]);
    expect(await idsOf({ ...mine, tool: otherName, toolStatus: "failed" })).toEqual([]);
    expect(await idsOf({ ...mine, toolStatus: "failed" })).toEqual([broken]);
    const day = { from: "2026-01-01T00:00:00Z", to: new Date(Date.now() + 60_000).toISOString() };
    const failedSince = { ...mine, ...day, tool: toolName, toolStatus: "failed" };
    expect(await idsOf(failedSince)).toEqual([broken]);
    expect(await idsOf({ ...failedSince, to: day.from })).toEqual([]);
  });

  it("is exported by the same filters", async () => {
    const { keyId, wavering, broken, toolName } = await troubled();
    const exported = async (filter: Record<string, string>) => {
      const query = new URLSearchParams({ apiKeyId: keyId, ...filter });
      const text = await (await proxy.admin(`/conversations/export?${query}`)).text();
      return text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as { id: string });
    };
    expect(await exported({ status: "failed" })).toMatchObject([{ id: wavering }]);
    expect(await exported({ tool: toolName, toolStatus: "failed" })).toMatchObject([
      { id: broken },
    ]);
    expect(await exported({ kind: "request" })).toEqual([]);
    expect(await exported({ kind: "conversation" })).toHaveLength(3);
  });
});

describe("deleting a conversation", () => {
  it("takes it and its content away, for good", async () => {
    const word = `secret${crypto.randomUUID().slice(0, 8)}`;
    const recorder = await startRecorder({}, completion({ content: `It is ${word}.` }));
    const [kept, gone] = [await recorder.converse("one"), await recorder.converse("two")];
    expect((await proxy.admin(`/conversations/${gone}`, { method: "DELETE" })).status).toBe(204);
    expect((await proxy.admin(`/conversations/${gone}`)).status).toBe(404);
    expect((await proxy.admin(`/conversations/${gone}`, { method: "DELETE" })).status).toBe(404);
    expect((await proxy.admin("/conversations/x", { method: "DELETE" })).status).toBe(404);
    expect(await idsOf({ q: word })).toEqual([kept]);
  });

  it("leaves a trace of who did it, without what was said", async () => {
    const recorder = await startRecorder(
      { name: "a key with a name" },
      completion({ content: "hello" }),
    );
    const id = await recorder.converse("hi there");
    await proxy.admin(`/conversations/${id}`, { method: "DELETE" });
    const audit = (await (await proxy.admin(`/audit?targetId=${id}`)).json()) as {
      data: unknown[];
    };
    expect(audit.data).toEqual([
      expect.objectContaining({
        action: "conversation.delete",
        targetId: id,
        changes: { apiKeyName: "a key with a name" },
      }),
      // The test itself has read it, to see that it was written.
      expect.objectContaining({ action: "conversation.read", targetId: id }),
    ]);
    expect(JSON.stringify(audit)).not.toContain("hi there");
  });
});
