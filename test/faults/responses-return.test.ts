/** A client of the Responses API that comes back with its results while the database is away. */
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { adminCall } from "../helpers/own-proxy.ts";
import { startReplicas, type Replica, type Replicas } from "../helpers/replicas.ts";
import { sentInput } from "../helpers/response-turn.ts";
import { functionCall, message, says } from "../helpers/responses-upstream.ts";
import { startUpstream, type ScriptedUpstream } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;
type Name = "node" | "workerd";

const USER = { role: "user", content: "2+3?" };
const ASK_USER = {
  type: "function",
  name: "ask_user",
  strict: false,
  parameters: { type: "object", properties: {} },
};
const WHOLE_TURN = [
  "user",
  "function_call call_add",
  "function_call call_ask",
  "function_call_output call_add",
  "function_call_output call_ask",
];
/** How long a client waits at most where the database is away: the proxy's own limit is 2.5 s. */
const PATIENCE_MS = 4000;

let started: Replicas<Name>;
let addId: string;
const at = (name: Name): Replica => started.at[name];

beforeAll(async () => {
  started = await startReplicas({ node: { runtime: "node" }, workerd: { runtime: "workerd" } });
  const number = { type: "number" };
  const tool = {
    name: "add",
    type: "function",
    parameters: { type: "object", properties: { a: number, b: number } },
    implementation: "return args.a + args.b;",
  };
  addId = (await adminCall<{ id: string }>(at("node").url, "/tools", tool)).id;
});
afterAll(() => started.stop());

interface Application {
  key: string;
  upstream: ScriptedUpstream;
}

/** An application whose model calls both sides, then answers as often as it is asked. */
async function application(): Promise<Application> {
  const both = [
    functionCall("call_add", "add", { a: 2, b: 3 }),
    functionCall("call_ask", "ask_user", {}),
  ];
  const done = says([message("It is 5.")]);
  const upstream = await startUpstream(says([message("Hello.")]), says(both), done, done);
  const fields = { name: "an application", toolIds: [addId], openaiBaseUrl: upstream.url };
  const { key } = await adminCall<{ key: string }>(at("node").url, "/api-keys", fields);
  return { key, upstream };
}

const post = (place: Replica, { key }: Application, input: unknown[]): Promise<Response> =>
  fetch(`${place.url}/v1/responses`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "gpt-test", input, tools: [ASK_USER], store: false }),
  });

async function outputAt(place: Replica, app: Application, input: unknown[]): Promise<Json[]> {
  const answer = await post(place, app, input);
  const text = await answer.text();
  expect(answer.status, text).toBe(200);
  return (JSON.parse(text) as { output: Json[] }).output;
}

/** What a client that keeps its own calls alone sends next. */
const back = (output: Json[]): unknown[] => [
  USER,
  ...output.filter(({ type }) => type === "function_call"),
  { type: "function_call_output", call_id: "call_ask", output: "yes" },
];

const spelled = ({ upstream }: Application, index: number): string[] =>
  sentInput(upstream, index).map(({ type, role, call_id: id = "" }) =>
    `${String(type ?? role)} ${String(id)}`.trim(),
  );

const isOutput = (type: unknown) => type === "function_call_output";

async function mended(place: Replica): Promise<void> {
  await expect
    .poll(async () => (await fetch(`${place.url}/health`)).json(), { timeout: 15_000 })
    .toMatchObject({ status: "ok" });
}

const ways: { at: Name; way: "cut" | "stall"; elsewhere: Name }[] = [
  { at: "node", way: "stall", elsewhere: "workerd" },
  { at: "workerd", way: "cut", elsewhere: "node" },
];

describe.each(ways)("with the database away ($at, $way)", ({ at: name, way, elsewhere }) => {
  const here = () => at(name);

  it("who comes back to the same process has all of the turn put back", async () => {
    const app = await application();
    await outputAt(here(), app, [{ role: "user", content: "hello" }]);
    const output = await outputAt(here(), app, [USER]);
    onTestFinished(here().wire.mend);
    here().wire[way]();
    const cutAt = performance.now();
    await outputAt(here(), app, back(output));
    expect(performance.now() - cutAt).toBeLessThan(PATIENCE_MS);
    expect(spelled(app, 2)).toEqual(WHOLE_TURN);
    here().wire.mend();
    await mended(here());
  });

  it("who comes back to another replica is told to try again, and then has it", async () => {
    const app = await application();
    // This replica must know the key.
    await outputAt(here(), app, [{ role: "user", content: "hello" }]);
    const output = await outputAt(at(elsewhere), app, [USER]);
    onTestFinished(here().wire.mend);
    here().wire[way]();
    const answer = await post(here(), app, back(output));
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).toBe("2");
    expect(await answer.json()).toMatchObject({ error: { code: "database_unavailable" } });
    expect(app.upstream.requests).toHaveLength(2);
    here().wire.mend();
    await mended(here());
    await outputAt(here(), app, back(output));
    expect(spelled(app, 2)).toEqual(WHOLE_TURN);
  });

  it("who says itself what the server's tool gave is answered", async () => {
    const app = await application();
    await outputAt(here(), app, [{ role: "user", content: "hello" }]);
    const output = await outputAt(at(elsewhere), app, [USER]);
    const result = back(output).at(-1);
    onTestFinished(here().wire.mend);
    here().wire[way]();
    await outputAt(here(), app, [USER, ...output, result]);
    const outputs = sentInput(app.upstream, 2).filter(({ type }) => isOutput(type));
    expect(new Set(outputs.map((item) => item["output"]))).toEqual(new Set(["5", "yes"]));
    here().wire.mend();
    await mended(here());
  });
});
