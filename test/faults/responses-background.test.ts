/** Responses in the background whose process is killed, ended, or cut off from the database. */
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import {
  askFor,
  checkedEvents,
  gated,
  responseNow,
  untilStatus,
  type Asking,
} from "../helpers/background.ts";
import { v7 as uuidv7 } from "uuid";
import { openDatabaseWire } from "../helpers/cuttable-database.ts";
import { adminCall, dataDirectory } from "../helpers/own-proxy.ts";
import { startPostgres, type TestPostgres } from "../helpers/postgres-server.ts";
import { eventsOf, sentInput } from "../helpers/response-turn.ts";
import { functionCall, message, says } from "../helpers/responses-upstream.ts";
import { startWorker, type StartedProcess } from "../helpers/start-target.ts";
import { startUpstream, type Answer, type ScriptedUpstream } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

/** Longer than a lease, and than another process needs to see that it is over. */
const TAKEN_OVER_MS = 15_000;

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

interface Application extends Asking {
  /** Of its key. */
  id: string;
  at: string;
  upstream: ScriptedUpstream;
}

/** Calls the one tool that is offered. */
const calls: Answer = (request, response) => {
  const [tool] = request.json()["tools"] as { name: string }[];
  return says([functionCall("call_1", tool?.name ?? "", { a: 2, b: 3 })])(request, response);
};
const answers = says([message("It is 5.")]);

/** A key with a tool that adds, at a proxy, whose model follows the script. */
async function application(at: string, ...script: Answer[]): Promise<Application> {
  const number = { type: "number" };
  const tool = {
    name: `add_${uuidv7().replaceAll("-", "").slice(-12)}`,
    type: "function",
    parameters: { type: "object", properties: { a: number, b: number } },
    implementation: "return args.a + args.b;",
  };
  const { id: toolId } = await adminCall<{ id: string }>(at, "/tools", tool);
  const upstream = await startUpstream(...script);
  const fields = { name: "background", toolIds: [toolId], openaiBaseUrl: upstream.url };
  const { id, key } = await adminCall<{ id: string; key: string }>(at, "/api-keys", fields);
  return { id, key, at, upstream };
}

const post = ({ key, at }: Application, more: Json = {}): Promise<Response> =>
  fetch(`${at}/v1/responses`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "gpt-test", input: "2+3?", background: true, ...more }),
  });

const begun = async (app: Application): Promise<string> =>
  ((await (await post(app)).json()) as { id: string }).id;

/** How many proxies are on a database of their own, and where. */
async function proxies(count: number, env: Record<string, string> = {}): Promise<StartedProcess[]> {
  const databaseUrl = await postgres.createDatabase();
  const starting = Array.from({ length: count }, () =>
    dataDirectory().start({ DATABASE_URL: databaseUrl, ...env }),
  );
  return Promise.all(starting);
}

interface Turns {
  data: { id: string }[];
}

/** The one turn that is on record. */
async function recorded(at: string): Promise<Json> {
  const list = async () => (await adminCall<Turns>(at, "/conversations")).data;
  await expect.poll(async () => (await list()).length, { timeout: 8000 }).toBe(1);
  return adminCall<Json>(at, `/conversations/${(await list())[0]?.id}`);
}

it("is gone on with by another process after a kill -9, and no tool runs twice", async () => {
  const [one, other] = await proxies(2);
  const at = other?.captured ?? "";
  const app = await application(one?.captured ?? "", calls, () => {}, answers);
  const live = await post(app, { stream: true });
  const text = live.text().catch(() => "");
  await expect.poll(() => app.upstream.requests.length).toBe(2);
  await one?.stop("SIGKILL");
  await text;
  await expect.poll(() => app.upstream.requests.length, { timeout: TAKEN_OVER_MS }).toBe(3);
  const outputs = sentInput(app.upstream, 2).filter(({ type }) => type === "function_call_output");
  expect(outputs).toMatchObject([{ call_id: "call_1", output: "5" }]);
  expect(sentInput(app.upstream, 2)).toEqual(sentInput(app.upstream, 1));
  const conversation = await recorded(at);
  expect(conversation["id"]).toBe(live.headers.get("x-proxy-conversation-id"));
  expect(conversation["toolExecutions"]).toMatchObject([{ result: "5" }]);
  expect((conversation["rounds"] as Json[]).map(({ round, status }) => [round, status])).toEqual([
    [1, "completed"],
    [2, "completed"],
  ]);
});

it("is streamed on by the process that goes on with it, and fails with its key", async () => {
  const [one, other] = await proxies(2);
  const gate = gated(answers);
  const app = await application(one?.captured ?? "", calls, () => {}, gate.answer);
  const off = await application(one?.captured ?? "", calls, () => {}, answers);
  const id = await begun(app);
  const failing = await post(off);
  await expect.poll(() => app.upstream.requests.length + off.upstream.requests.length).toBe(4);
  await one?.stop("SIGKILL");
  const there = { key: app.key, at: other?.captured ?? "" };
  await adminCall(there.at, `/api-keys/${off.id}`, { isActive: false }, "PATCH");
  expect((await responseNow(there, id)).output).toMatchObject([{ type: "mcp_call", output: "5" }]);
  const stream = askFor(there, `${id}?stream=true&starting_after=2`);
  await expect.poll(() => app.upstream.requests.length, { timeout: TAKEN_OVER_MS }).toBe(3);
  gate.open();
  const events = checkedEvents(eventsOf(await (await stream).text()));
  const types = events.map(({ type }) => String(type));
  expect(types[0]).toBe("response.output_item.added");
  expect(types.filter((type) => type === "response.output_item.done")).toHaveLength(2);
  expect(events.at(-1)?.["response"]).toEqual(await responseNow(there, id));
  expect(types.at(-1)).toBe("response.completed");
  const conversation = failing.headers.get("x-proxy-conversation-id") ?? "";
  const found = () => adminCall<Json>(there.at, `/conversations/${conversation}`);
  await expect.poll(async () => (await found())["status"], { timeout: 8000 }).toBe("failed");
  expect(off.upstream.requests).toHaveLength(2);
});

it("on the embedded database goes on when the process starts again", async () => {
  const directory = dataDirectory();
  const first = await directory.start();
  const app = await application(first.captured, calls, () => {}, answers);
  const id = await begun(app);
  await expect.poll(() => app.upstream.requests.length).toBe(2);
  await first.stop("SIGKILL");
  const second = await directory.start();
  const made = await untilStatus({ ...app, at: second.captured }, id, "completed", TAKEN_OVER_MS);
  expect(made.output.map(({ type }) => type)).toEqual(["mcp_call", "message"]);
});

it("is let end by a SIGTERM, and given up at once where it does not", async () => {
  const [one, other] = await proxies(2, { DRAIN_TIMEOUT_MS: "1500" });
  const app = await application(one?.captured ?? "", calls, () => {}, answers);
  const slow = gated(answers);
  const soon = await application(other?.captured ?? "", slow.answer);
  const there = { key: app.key, at: other?.captured ?? "" };
  const left = await begun(app);
  const ended = await begun({ ...soon, at: app.at });
  await expect.poll(() => app.upstream.requests.length + soon.upstream.requests.length).toBe(3);
  const stopped = one?.stop("SIGTERM");
  slow.open();
  await untilStatus({ key: soon.key, at: there.at }, ended, "completed");
  await stopped;
  expect(one?.child.exitCode).toBe(0);
  await untilStatus(there, left, "completed", 4000);
  expect(app.upstream.requests).toHaveLength(3);
  expect(soon.upstream.requests).toHaveLength(1);
});

it("is shown, streamed and cancelled by any process", async () => {
  const databaseUrl = await postgres.createDatabase();
  const one = await dataDirectory().start({ DATABASE_URL: databaseUrl });
  const other = await dataDirectory().start({ DATABASE_URL: databaseUrl });
  const stops: (() => Promise<void>)[] = [];
  const worker = await startWorker(databaseUrl, stops);
  onTestFinished(async () => {
    for (const stop of stops.toReversed()) await stop();
  });
  const app = await application(
    one.captured,
    calls,
    () => {},
    calls,
    () => {},
  );
  for (const at of [other.captured, worker]) {
    const asked = app.upstream.requests.length;
    const id = await begun(app);
    await expect.poll(() => app.upstream.requests.length).toBe(asked + 2);
    const there = { key: app.key, at };
    await expect.poll(async () => (await responseNow(there, id)).output.length).toBe(1);
    const stream = askFor(there, `${id}?stream=true`).then((answer) => answer.text());
    const cancelled = await askFor(there, `${id}/cancel`, "POST");
    expect(await cancelled.json()).toMatchObject({ id, status: "cancelled" });
    expect((await responseNow(app, id))["status"]).toBe("cancelled");
    const events = checkedEvents(eventsOf(await stream));
    expect(events.at(-1)).toMatchObject({ response: { id, status: "cancelled" } });
  }
});

it("waits for the database where that is away, and runs no tool twice", async () => {
  const wire = await openDatabaseWire(await postgres.createDatabase());
  onTestFinished(() => wire.close());
  const proxy = await dataDirectory().start({ DATABASE_URL: wire.url });
  const gate = gated(calls);
  const app = await application(proxy.captured, gate.answer, answers);
  const id = await begun(app);
  await expect.poll(() => app.upstream.requests.length).toBe(1);
  wire.cut();
  gate.open();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(app.upstream.requests).toHaveLength(1);
  wire.mend();
  await untilStatus(app, id, "completed", TAKEN_OVER_MS);
  expect(app.upstream.requests).toHaveLength(2);
});
