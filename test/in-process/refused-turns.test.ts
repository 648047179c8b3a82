/** What the proxy itself says no to is a turn: on record, counted, and answered with its ids. */
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { TurnRecord } from "../../src/record/turn-record.ts";
import { keyWithAdd } from "../helpers/chat-turn.ts";
import { startInProcess } from "../helpers/in-process.ts";
import { message, send as sendMcp } from "../helpers/mcp-http.ts";
import { here, proxy } from "../helpers/proxy.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

function inProcess() {
  if (here.inProcess === undefined) throw new Error("The proxy is not in this process");
  return here.inProcess;
}

/** The records of a test's turns; they are written all the same. */
function watchRecords(): TurnRecord[] {
  const records: TurnRecord[] = [];
  const { platform } = inProcess();
  const { keepRecord } = platform;
  const spy = vi.spyOn(platform, "keepRecord").mockImplementation(async (record) => {
    records.push(structuredClone(record));
    await keepRecord(record);
  });
  onTestFinished(() => spy.mockRestore());
  return records;
}

interface Sent {
  key: string;
  body?: string | Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
  url?: string;
}

const chat = (model = "model-a") =>
  JSON.stringify({ model, messages: [{ role: "user", content: "hello" }] });

/** Posts a chat completion, and checks that the answer names its request and its conversation. */
async function post({ key, body = chat(), headers = {}, url = proxy.url }: Sent) {
  const authorization = `Bearer ${key}`;
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization, "content-type": "application/json", ...headers },
    body,
  });
  const { error } = (await response.json()) as { error?: Json };
  return { response, status: response.status, error };
}

const idsOf = ({ headers }: Response) => [
  headers.get("x-proxy-request-id"),
  headers.get("x-proxy-conversation-id"),
];

async function statisticsOf(apiKeyId: string): Promise<Json[]> {
  const answer = await proxy.admin(`/stats?apiKeyId=${apiKeyId}&groupBy=none`);
  return ((await answer.json()) as { totals: Json[] }).totals;
}

it("A request for another model and three for an allowed one are four turns on record", async () => {
  const records = watchRecords();
  const upstream = await startUpstream(completion({ content: "hello" }));
  const limits = { allowedModels: ["model-a"], requestsPerMinute: 2 };
  const { id, key } = await proxy.createKey({ openaiBaseUrl: upstream.url, ...limits });
  const answers: Awaited<ReturnType<typeof post>>[] = [];
  for (const model of ["model-b", "model-a", "model-a", "model-a"])
    answers.push(await post({ key, body: chat(model) }));
  expect(answers.map(({ status }) => status)).toEqual([403, 200, 200, 429]);
  expect(upstream.requests).toHaveLength(2);
  const refused = { status: "refused", rounds: [], apiKeyId: id, apiKeyName: "a key for tests" };
  expect(records).toMatchObject([
    { ...refused, httpStatus: 403, errorCode: "model_not_allowed" },
    { status: "completed", httpStatus: 200, errorCode: null },
    { status: "completed", httpStatus: 200, errorCode: null },
    { ...refused, httpStatus: 429, errorCode: "rate_limit_exceeded" },
  ]);
  expect(answers.map(({ response }) => idsOf(response))).toEqual(
    records.map((record) => [record.id, record.conversationId]),
  );
  const retryAfter = answers.map(({ response }) => response.headers.get("retry-after"));
  expect(retryAfter.map((seconds) => Number(seconds) > 0)).toEqual([false, false, false, true]);
  expect(await statisticsOf(id)).toMatchObject([{ requests: 4, refused: 2, failed: 0 }]);
  const listed = await proxy.admin(`/conversations?apiKeyId=${id}&status=refused`);
  expect(await listed.json()).toMatchObject({
    data: [
      { model: "model-a", errorCode: "rate_limit_exceeded", apiKeyName: "a key for tests" },
      { model: "model-b", errorCode: "model_not_allowed", apiKeyName: "a key for tests" },
    ],
  });
});

it("A request with a key that does not work is no turn", async () => {
  const records = watchRecords();
  const { status, response } = await post({ key: "sk-proxy-nobody" });
  expect([status, idsOf(response)]).toEqual([401, [expect.any(String), null]]);
  expect(records).toEqual([]);
});

/** What is wrong with a request, and how it is refused. */
const WRONG: Record<string, { sent: Partial<Sent>; status: number; code: string; param?: string }> =
  {
    "an unknown tool in x-proxy-tools": {
      sent: { headers: { "x-proxy-tools": "no_such_tool" } },
      status: 400,
      code: "invalid_value",
      param: "x-proxy-tools",
    },
    "an x-conversation-id that is too long": {
      sent: { headers: { "x-conversation-id": "x".repeat(201) } },
      status: 400,
      code: "invalid_value",
      param: "x-conversation-id",
    },
    "an encoding that nobody knows": {
      sent: { headers: { "content-encoding": "rot13" } },
      status: 415,
      code: "unsupported_encoding",
      param: "content-encoding",
    },
  };

describe("A turn that was refused is on record and names itself", () => {
  it.each(Object.entries(WRONG))("for %s", async (_title, { sent, status, code, param }) => {
    const records = watchRecords();
    const { key, upstream } = await keyWithAdd(() => [completion({ content: "hello" })]);
    const answer = await post({ key, ...sent });
    expect([answer.status, answer.error?.["code"]]).toEqual([status, code]);
    expect(answer.error?.["param"] ?? undefined).toBe(param);
    expect(records).toMatchObject([
      { status: "refused", httpStatus: status, errorCode: code, rounds: [] },
    ]);
    expect(idsOf(answer.response)).toEqual([records[0]?.id, records[0]?.conversationId]);
    expect(upstream.requests).toEqual([]);
  });

  it("for a body that is too large", async () => {
    const { platform } = inProcess();
    const records: TurnRecord[] = [];
    const small = await startInProcess({
      database: platform.database,
      config: { ...platform.config, maxBodyBytes: 1000 },
      keepRecord: (record) => void records.push(record),
    });
    const { key, upstream } = await keyWithAdd(() => [completion({ content: "hello" })]);
    const body = chat("m".repeat(2000));
    const answer = await post({ key, body, url: small.url });
    expect([answer.status, answer.error?.["code"]]).toEqual([413, "body_too_large"]);
    expect(records).toMatchObject([
      { status: "refused", httpStatus: 413, errorCode: "body_too_large", rounds: [] },
    ]);
    expect(idsOf(answer.response)).toEqual([records[0]?.id, records[0]?.conversationId]);
    expect(upstream.requests).toEqual([]);
  });

  it("for a call of the MCP router, beside the one that was answered", async () => {
    const records = watchRecords();
    const upstream = await startUpstream(completion({ content: "hello" }));
    const limits = { openaiBaseUrl: upstream.url, requestsPerMinute: 1 };
    const { id, key } = await proxy.createKey(limits);
    const params = { name: "chat", arguments: { prompt: "hello", model: "model-a" } };
    const answers = [
      await sendMcp({ key, body: message("tools/call", params) }),
      await sendMcp({ key, body: message("tools/call", params) }),
    ];
    expect(answers.map(({ json }) => json.result?.["isError"] ?? false)).toEqual([false, true]);
    expect(records.filter(({ apiKeyId }) => apiKeyId === id)).toMatchObject([
      { status: "completed" },
      { status: "refused", httpStatus: 429, errorCode: "rate_limit_exceeded", rounds: [] },
    ]);
    expect(await statisticsOf(id)).toMatchObject([{ requests: 2, refused: 1 }]);
  });
});
