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
import {
  completion,
  startUpstream,
  toolCall,
  type Answer,
  type ScriptedUpstream,
} from "../helpers/upstream.ts";

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
/** The same over chat completions. */
const callsOverChat: Answer = (request, response) => {
  const [tool] = request.json()["tools"] as { function: { name: string } }[];
  const call = toolCall("call_1", tool?.function.name ?? "", { a: 2, b: 3 });
  return completion({ content: "Adding.", tool_calls: [call] })(request, response);
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

/** The id of a response that is streamed, of which nothing more is read. */
async function idOf({ body }: Response): Promise<string> {
  for await (const bytes of body ?? []) {
    const id = /"id":"(resp_[0-9a-f]{40})"/.exec(new TextDecoder().decode(bytes));
    if (id?.[1] !== undefined) return id[1];
  }
  throw new Error("A stream without a response");
}

/** Proxies on a database of their own, that end with the test. */
async function proxies(count: number, env: Record<string, string> = {}): Promise<StartedProcess[]> {
  const databaseUrl = await postgres.createDatabase();
  const starting = Array.from({ length: count }, () =>
    dataDirectory().start({ DATABASE_URL: databaseUrl, ...env }),
  );
  return Promise.all(starting);
}

/** The conversation that an answer begins, when it is on record. */
async function recorded(at: string, { headers }: Response): Promise<Json> {
  const id = headers.get("x-proxy-conversation-id") ?? "";
  const session = async () => (await adminCall<Json>(at, `/conversations/${id}`))["status"];
  await expect.poll(session, { timeout: 8000 }).toMatch(/completed|failed/);
  return adminCall<Json>(at, `/conversations/${id}`);
}

/** A response that is streamed by its process until that is killed in its second round. */
interface Left extends Application {
  posted: Response;
  response: string;
}

async function left(app: Application): Promise<Left> {
  const posted = await post(app, { stream: true });
  const response = await idOf(posted);
  await expect.poll(() => app.upstream.requests.length).toBe(2);
  return { ...app, posted, response };
}

it("is gone on with by another process after a kill -9, and no tool runs twice", async () => {
  const [one, other] = await proxies(2);
  const at = other?.captured ?? "";
  const here = one?.captured ?? "";
  const gate = gated(answers);
  const followed = await left(await application(here, calls, () => {}, answers));
  const streamed = await left(await application(here, calls, () => {}, gate.answer));
  const off = await left(await application(here, calls, () => {}, answers));
  const overChat = [callsOverChat, () => {}, completion({ content: "It is 5." })];
  const plain = await application(here, ...overChat);
  await adminCall(here, `/api-keys/${plain.id}`, { upstreamDialect: "chat" }, "PATCH");
  const chat = await left(plain);
  await one?.stop("SIGKILL");
  await adminCall(at, `/api-keys/${off.id}`, { isActive: false }, "PATCH");
  const stream = askFor({ ...streamed, at }, `${streamed.response}?stream=true&starting_after=2`);
  for (const { upstream } of [followed, streamed, chat])
    await expect.poll(() => upstream.requests.length, { timeout: TAKEN_OVER_MS }).toBe(3);
  gate.open();

  expect(sentInput(followed.upstream, 2)).toEqual(sentInput(followed.upstream, 1));
  expect(sentInput(followed.upstream, 2).at(-1)).toMatchObject({ call_id: "call_1", output: "5" });
  const conversation = await recorded(at, followed.posted);
  expect(conversation["toolExecutions"]).toMatchObject([{ result: "5" }]);
  const rounds = (conversation["rounds"] as Json[]).map(({ round, status }) => [round, status]);
  expect(rounds).toEqual([
    [1, "completed"],
    [2, "completed"],
  ]);

  const events = checkedEvents(eventsOf(await (await stream).text()));
  const types = events.map(({ type }) => String(type));
  expect(types[0]).toBe("response.output_item.added");
  expect(types.filter((type) => type === "response.output_item.done")).toHaveLength(2);
  expect(types.at(-1)).toBe("response.completed");
  const made = await responseNow({ ...streamed, at }, streamed.response);
  expect(events.at(-1)?.["response"]).toEqual(made);

  const { output } = await untilStatus({ ...chat, at }, chat.response, "completed");
  expect(output.map(({ type }) => type)).toEqual(["message", "mcp_call", "message"]);
  const next = await post({ ...chat, at }, { previous_response_id: chat.response });
  expect(next.status, await next.text()).toBe(200);

  expect(await recorded(at, off.posted)).toMatchObject({ status: "failed" });
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
  const stops: (() => Promise<void>)[] = [];
  const [one, other, worker] = await Promise.all([
    dataDirectory().start({ DATABASE_URL: databaseUrl }),
    dataDirectory().start({ DATABASE_URL: databaseUrl }),
    startWorker(databaseUrl, stops),
  ]);
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
