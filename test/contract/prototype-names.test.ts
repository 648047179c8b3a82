/**
 * Words of others that are names of prototypes' members: they stay data, wherever they come in, and
 * other keys notice nothing.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ask, keyWithAdd, post, streamed, whole, type AddingKey } from "../helpers/chat-turn.ts";
import { callTool, message, send } from "../helpers/mcp-http.ts";
import {
  missingNames,
  PROTOTYPE_NAMES,
  seeded,
  sharedMembers,
} from "../helpers/prototype-names.ts";
import { proxy } from "../helpers/proxy.ts";
import { discovered, keyWith } from "../helpers/remote-tool.ts";
import { serveRaw } from "../helpers/remote-mcp.ts";
import {
  chunk,
  completion,
  events,
  json,
  sentMessages,
  startUpstream,
  toolCall,
  usageChunk,
  type Answer,
} from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const USAGE = { prompt_tokens: 1000, completion_tokens: 500, total_tokens: 1500 };
const PARAMETERS = { type: "object", properties: seeded({ type: "integer" }) };
/** What a function sees of each name: only members of its own. */
const COUNTS = `
  const names = ${JSON.stringify(PROTOTYPE_NAMES)};
  return names.filter((name) => Object.hasOwn(args, name)).join(" ");`;

const ALL = PROTOTYPE_NAMES.join(" ");

/** A second key, which has nothing to do with all this. */
let bystander: AddingKey;
let before = "";

beforeEach(async () => {
  before = sharedMembers();
  const round = (name: string) => [
    completion({ tool_calls: [toolCall("c1", name, { a: 2, b: 3 })] }),
    completion({ content: "5" }),
  ];
  bystander = await keyWithAdd((name) => [...round(name), ...round(name)]);
});

afterEach(async () => {
  // In the process of the test itself this looks at the proxy's own prototypes.
  expect(sharedMembers()).toBe(before);
  expect(({} as Json)["polluted"]).toBeUndefined();
  expect((await whole(bystander)).content, "another key's answer").toBe("5");
  expect(sentMessages(bystander.upstream, 1).at(-1)).toMatchObject({ role: "tool", content: "5" });
  expect((await proxy.admin("/api-keys")).status).toBe(200);
});

const choiceOf = (one: Json | undefined): Json => ((one?.["choices"] ?? []) as Json[])[0] ?? {};
const member = (value: unknown, ...path: string[]): unknown =>
  path.reduce<unknown>((inner, name) => (Object(inner) as Json)[name], value);

/** A chunk with the names in one of its parts. */
const CHUNKS: Record<string, () => Json> = {
  "the chunk": () => ({ ...chunk({ content: "hi" }), ...seeded() }),
  "its choice": () => {
    const one = chunk({ content: "hi" });
    return { ...one, choices: [{ ...choiceOf(one), ...seeded() }] };
  },
  "its delta": () => chunk({ content: "hi", ...seeded() }),
  "its log probabilities": () => {
    const one = chunk({ content: "hi" });
    return {
      ...one,
      choices: [{ ...choiceOf(one), logprobs: { content: [], refusal: null, ...seeded() } }],
    };
  },
};

const callWith = (name: string, place: "call" | "function" | "type"): Json => {
  const call = toolCall("c1", name, { a: 2, b: 3 });
  if (place === "call") return { index: 0, ...call, ...seeded() };
  if (place === "type")
    return { index: 0, ...call, type: "__proto__", ["__proto__"]: { name: "x" } };
  return { index: 0, ...call, function: { ...(call["function"] as Json), ...seeded() } };
};

describe("upstream's members with names of prototypes", () => {
  it.each(Object.keys(CHUNKS))("stay data in a stream, in %s", async (place) => {
    const odd = CHUNKS[place] ?? (() => ({}));
    const key = await keyWithAdd((name) => [
      events(
        odd(),
        odd(),
        chunk({ tool_calls: [{ index: 0, ...toolCall("c1", name, { a: 2, b: 3 }) }] }),
        chunk({}, "tool_calls"),
        usageChunk(),
      ),
      events(odd(), chunk({}, "stop"), usageChunk()),
    ]);
    const turn = await streamed(key);
    expect(turn.content).toBe("hihi\n\nhi");
    const [first] = turn.chunks;
    const held = {
      "the chunk": first,
      "its choice": choiceOf(first),
      "its delta": choiceOf(first)["delta"],
      "its log probabilities": choiceOf(first)["logprobs"],
    }[place];
    expect(missingNames(held)).toEqual([]);
  });

  it.each(["the completion", "its choice", "its message"])(
    "stay data, whole, in %s",
    async (place) => {
      const key = await keyWithAdd((name) => {
        const odd = (said: Json): Answer => {
          const more = (of: string) => (of === place ? seeded() : {});
          const finish = said["tool_calls"] === undefined ? "stop" : "tool_calls";
          const spoken = { role: "assistant", content: null, ...said, ...more("its message") };
          const choice = {
            index: 0,
            message: spoken,
            finish_reason: finish,
            ...more("its choice"),
          };
          return completion({}, { choices: [choice], ...more("the completion") });
        };
        return [
          odd({ tool_calls: [toolCall("c1", name, { a: 2, b: 3 })] }),
          odd({ content: "five" }),
        ];
      });
      const turn = await whole(key);
      expect(turn.content).toBe("five");
      const { completion: answer } = turn;
      const held = {
        "the completion": answer,
        "its choice": choiceOf(answer),
        "its message": choiceOf(answer)["message"],
      }[place];
      expect(missingNames(held)).toEqual([]);
    },
  );

  it.each(["call", "function", "type"] as const)("stay data in a tool's %s", async (place) => {
    for (const stream of [true, false]) {
      const key = await keyWithAdd((name) => {
        const call = callWith(name, place);
        return stream
          ? [
              events(chunk({ tool_calls: [call] }), chunk({}, "tool_calls"), usageChunk()),
              events(chunk({ content: "ok" }), chunk({}, "stop"), usageChunk()),
            ]
          : [completion({ tool_calls: [call] }), completion({ content: "ok" })];
      });
      const text = await (await post(key.key, ask({ stream }))).text();
      expect(text).not.toContain("polluted");
      if (place === "type") continue;
      const sent = sentMessages(key.upstream, 1).find(({ role }) => role === "assistant");
      const call = ((sent?.["tool_calls"] ?? []) as Json[])[0];
      const held = place === "call" ? call : member(call, "function");
      expect(missingNames(held), `stream: ${stream}`).toEqual([]);
    }
  });

  it("stay data in usage, and in the record", async () => {
    const usage = { ...USAGE, prompt_tokens_details: seeded(7), ...seeded(5) };
    const key = await keyWithAdd((name) => [
      completion({ tool_calls: [toolCall("c1", name, { a: 2, b: 3 })] }, { usage }),
      completion({ content: "ok", ...seeded("kept") }, { usage }),
    ]);
    const response = await post(key.key, ask());
    expect(response.status).toBe(200);
    const answer = (await response.json()) as Json;
    expect(answer["usage"]).toMatchObject({ total_tokens: 3000 });
    const id = response.headers.get("x-proxy-conversation-id") ?? "";
    const told = await proxy.conversation(id);
    expect(told.status).toBe("completed");
    expect(JSON.stringify(told)).toContain('"__proto__":"kept"');
  });

  it("stay data in an error, and its headers pass", async () => {
    const body = { error: { message: "no", type: "t", code: "c", ...seeded() }, ...seeded() };
    const upstream = await startUpstream(json(body, 400, { constructor: "b" }));
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const response = await post(key, ask());
    expect(response.status).toBe(400);
    expect(response.headers.get("constructor")).toBe("b");
    const told = (await response.json()) as Json;
    expect([missingNames(told), missingNames(told["error"])]).toEqual([[], []]);
  });
});

describe("a client's members with names of prototypes", () => {
  it("reach upstream as they were sent, streamed and whole", async () => {
    const sent = {
      logit_bias: seeded(1),
      metadata: seeded("m"),
      tools: [{ type: "function", function: { name: "mine", parameters: PARAMETERS } }],
      response_format: { type: "text", ...seeded() },
      stream_options: { include_usage: true, ...seeded() },
      messages: [{ role: "user", content: "hi", ...seeded() }],
      ...seeded(),
    };
    const key = await keyWithAdd(() => [completion({ content: "ok" })]);
    const body = ask(sent);
    const response = await fetch(`${proxy.url}/v1/chat/completions`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${key.key}`,
        "content-type": "application/json",
        constructor: "b",
      },
      body: JSON.stringify(body),
    });
    expect(response.status, await response.text()).toBe(200);
    const [seen] = key.upstream.requests;
    const { tools, ...rest } = seen?.json() ?? {};
    const { tools: own, ...others } = body;
    expect(JSON.stringify(rest)).toBe(JSON.stringify(others));
    expect(JSON.stringify((tools as Json[])[0])).toBe(JSON.stringify((own as Json[])[0]));
    expect(seen?.rawHeaders.map((text) => text.toLowerCase())).toContain("constructor");
  });

  it("are tools of its own, though a prototype has members of that name", async () => {
    const tools = PROTOTYPE_NAMES.map((name) => ({ type: "function", function: { name } }));
    const key = await keyWithAdd(() => [
      completion({ tool_calls: PROTOTYPE_NAMES.map((name) => toolCall(`c-${name}`, name, {})) }),
    ]);
    const turn = await whole(key, { tools });
    expect(turn.calls.map(({ name }) => name)).toEqual([...PROTOTYPE_NAMES]);
  });

  it.each(PROTOTYPE_NAMES)(
    "a model called %s has no price, and figures of its own",
    async (model) => {
      const upstream = await startUpstream(completion({ content: "ok" }, { model, usage: USAGE }));
      const { id, key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
      for (const endpoint of ["chat/completions", model]) {
        const answer = await fetch(`${proxy.url}/v1/${endpoint}`, {
          method: "POST",
          headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
          body: JSON.stringify({ model, messages: [{ role: "user", content: "hi" }] }),
        });
        expect(answer.status, await answer.text()).toBe(200);
      }
      const figures = async () => {
        const path = `/stats?groupBy=model&apiKeyId=${id}`;
        return ((await (await proxy.admin(path)).json()) as { totals: Json[] }).totals;
      };
      await expect.poll(figures).toMatchObject([{ group: model, cost: null, requests: 2 }]);
      const listed = await proxy.admin(`/conversations?model=${model}`);
      expect(((await listed.json()) as { data: Json[] }).data.length).toBeGreaterThan(0);
      const { status } = await send({
        key,
        body: message("tools/call", { name: "chat", arguments: { model, prompt: "hi" } }),
      });
      expect(status).toBe(200);
    },
  );
});

describe("tools with names of prototypes", () => {
  it.each(PROTOTYPE_NAMES)("%s is called, recorded and counted as any other", async (name) => {
    const created = await proxy.admin("/tools", {
      json: { name, type: "function", parameters: PARAMETERS, implementation: COUNTS },
    });
    const { id } = (await created.json()) as { id: string };
    expect(created.status).toBe(201);
    const upstream = await startUpstream(
      completion({ tool_calls: [toolCall("c1", name, seeded(1))] }),
      completion({ content: "ok" }),
    );
    const { key } = await proxy.createKey({ toolIds: [id], openaiBaseUrl: upstream.url });
    const response = await post(key, ask());
    expect(response.status, await response.text()).toBe(200);
    expect(sentMessages(upstream, 1).at(-1)?.content).toBe(ALL);
    const { tools } = upstream.requests[0]?.json() ?? {};
    const offered = ((tools ?? []) as Json[])[0];
    expect(missingNames(member(offered, "function", "parameters", "properties"))).toEqual([]);
    const told = await proxy.conversation(response.headers.get("x-proxy-conversation-id") ?? "");
    expect(told.toolExecutions).toMatchObject([{ toolName: name, error: null }]);
    expect(missingNames(told.toolExecutions[0]?.arguments)).toEqual([]);
    const called = await callTool(key, name, seeded(1));
    // The SDK of MCP leaves `__proto__` out of arguments.
    expect(called).toMatchObject({ content: [{ text: ALL.replace("__proto__ ", "") }] });
    const tried = await proxy.admin(`/tools/${id}/try`, { json: { arguments: seeded(1) } });
    expect(((await tried.json()) as Json)["result"]).toBe(ALL);
    expect((await proxy.admin(`/tools/${id}`, { method: "DELETE" })).status).toBe(204);
  });

  it("are kept as an operator wrote them: schema, variables, headers", async () => {
    const url = "http://127.0.0.1:9/mcp";
    const remote = await proxy.createTool({
      name: "remote",
      type: "mcp",
      mcpServerUrl: url,
      parameters: { ...PARAMETERS, anyOf: [PARAMETERS], $defs: seeded({ type: "null" }) },
      mcpHeaders: seeded("value"),
    });
    const read = async (id: string) => (await (await proxy.admin(`/tools/${id}`)).json()) as Json;
    const tool = await read(remote.id);
    expect(tool["mcpHeaderNames"]).toEqual([...PROTOTYPE_NAMES]);
    expect(missingNames(member(tool, "parameters", "properties"))).toEqual([]);
    expect(missingNames(member(tool, "parameters", "$defs"))).toEqual([]);
    const started = await proxy.createTool({
      name: "started",
      type: "mcp",
      mcpServerCommand: "npx some-server",
      env: seeded("value"),
    });
    expect((await read(started.id))["envNames"]).toEqual([...PROTOTYPE_NAMES]);
  });

  it("of MCP servers are discovered, checked and answered for as any other", async () => {
    const schema = { type: "object", properties: seeded({ type: "integer" }), ...seeded() };
    const tools = PROTOTYPE_NAMES.map((name) => ({
      name,
      description: name,
      inputSchema: schema,
      annotations: seeded(),
      ...seeded(),
    }));
    const { url, heard } = await serveRaw("modern", ({ method, params }) =>
      method === "tools/list"
        ? { result: { tools, ...seeded() } }
        : {
            result: {
              content: [{ type: "text", text: JSON.stringify(params["arguments"]), ...seeded() }],
              structuredContent: seeded(1),
              ...seeded(),
            },
          },
    );
    const found = await discovered({ mcpServerUrl: url });
    expect(found.status).toBe(200);
    expect(found.body.tools.map(({ name }) => name)).toEqual([...PROTOTYPE_NAMES]);
    for (const { parameters } of found.body.tools)
      expect(missingNames(parameters["properties"])).toEqual([]);
    const several = await discovered({
      mcpServers: Object.fromEntries(
        PROTOTYPE_NAMES.map((name) => [name, { url, headers: seeded("v") }]),
      ),
    });
    const { servers } = several.body as unknown as { servers: Json[] };
    expect(servers.map(({ name }) => name)).toEqual([...PROTOTYPE_NAMES]);
    const sentHeaders = heard.at(-1)?.headers ?? {};
    expect(sentHeaders["constructor"]).toBe("v");

    const { upstream, key } = await (
      await keyWith(url, {
        mcpToolName: "constructor",
        parameters: found.body.tools[0]?.parameters,
      })
    ).make();
    const response = await post(key, ask());
    expect(response.status, await response.text()).toBe(200);
    const said = sentMessages(upstream, 1).at(-1);
    expect(said).toMatchObject({ role: "tool", content: '{"n":1}' });
  });
});

describe("bodies of the admin API with names of prototypes", () => {
  it.each([
    ["/api-keys", { name: "a key" }],
    ["/tools", { name: "a_tool", type: "function", implementation: "return 1;" }],
    ["/tools/discover", { mcpServerUrl: "http://127.0.0.1:9/mcp" }],
    ["/login", { password: "wrong" }],
  ])("%s refuses them by name", async (path, body) => {
    for (const name of PROTOTYPE_NAMES) {
      const answer = await proxy.admin(path, { json: { ...body, [name]: { polluted: 1 } } });
      expect(answer.status, `${name}: ${await answer.text()}`).toBe(400);
    }
  });

  it("lists take them in a query for what they are: nothing", async () => {
    for (const name of PROTOTYPE_NAMES)
      for (const path of ["/conversations", "/tools", "/api-keys"]) {
        const answer = await proxy.admin(`${path}?${name}=x&${name}[polluted]=y`);
        expect(answer.status, `${path} ${name}`).toBe(200);
      }
  });
});

describe("messages of MCP clients with names of prototypes", () => {
  it.each(PROTOTYPE_NAMES)("%s is neither a method nor a tool", async (name) => {
    const { key } = await proxy.createKey();
    for (const body of [
      message(name, seeded()),
      message("tools/call", { name, arguments: seeded(), _meta: seeded(), ...seeded() }),
      { ...message("tools/list", seeded()), ...seeded() },
    ]) {
      const answer = await send({ key, body });
      expect(answer.status, answer.text).toBeLessThan(500);
      expect(answer.text).not.toContain("polluted");
    }
  });
});
