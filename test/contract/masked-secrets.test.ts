/**
 * A credential that upstream or a server repeats is taken out of what failed, what is kept and what
 * a model is told. The whole of it, with every place for a secret, is
 * `test/attacks/canaries.test.ts`.
 */
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { canary, CanaryWatch, repeated } from "../helpers/canaries.ts";
import { ask, post } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { discovered, keyWith } from "../helpers/remote-tool.ts";
import { serveRaw } from "../helpers/remote-mcp.ts";
import { postResponse } from "../helpers/response-turn.ts";
import { functionCall, says } from "../helpers/responses-upstream.ts";
import {
  chunk,
  completion,
  json,
  startUpstream,
  toolCall,
  type Answer,
} from "../helpers/upstream.ts";

const JSON_TYPE = { "content-type": "application/json" };

/** What a server sends, that knows some words. */
const ERRORS: Record<string, (words: string) => Answer> = {
  "as JSON": (words) => (_request, response) =>
    void response.writeHead(400, JSON_TYPE).end(JSON.stringify({ error: { message: words } })),
  compressed: (words) => (_request, response) =>
    void response
      .writeHead(400, { ...JSON_TYPE, "content-encoding": "gzip" })
      .end(gzipSync(JSON.stringify({ error: { message: words } }))),
  "in pieces": (words) => async (_request, response) => {
    response.writeHead(404, { "content-type": "text/plain" });
    for (const piece of words.match(/.{1,7}/gs) ?? []) {
      response.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    response.end();
  },
  "in a header": (words) => (request, response) => {
    response.setHeader("x-echo", words.split(" ").join("; "));
    void completion({ content: "fine" })(request, response);
  },
};

/** In a stream whose rounds the proxy reads. */
const inStream =
  (words: string): Answer =>
  (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`data: ${JSON.stringify(chunk({ content: "hi" }))}\n\n`);
    response.end(`data: ${JSON.stringify({ error: { message: words } })}\n\n`);
  };

async function keyAt(answer: Answer, secret: string, more: Record<string, unknown> = {}) {
  const upstream = await startUpstream(answer);
  const own = { openaiBaseUrl: upstream.url, openaiApiKey: secret };
  return { upstream, ...(await proxy.createKey({ ...own, ...more })) };
}

/** Searches an answer, and what is on record of it. */
async function search(watch: CanaryWatch, response: Response): Promise<string> {
  const text = await response.text();
  watch.look("the answer", text);
  watch.look("its headers", JSON.stringify([...response.headers]));
  const id = response.headers.get("x-proxy-conversation-id") ?? "";
  watch.look("the record", JSON.stringify(await proxy.conversation(id)));
  return text;
}

describe("a credential that upstream repeats", () => {
  it.each(Object.keys(ERRORS))("is not in its error, %s", async (shape) => {
    const secret = canary("upstream");
    const watch = new CanaryWatch({ secret });
    const answer = ERRORS[shape]?.(repeated(secret)) ?? (() => undefined);
    const { key, upstream } = await keyAt(answer, secret);
    const response = await post(key, ask());
    const text = await search(watch, response);
    expect(upstream.requests[0]?.headers.authorization).toBe(`Bearer ${secret}`);
    expect(watch.found).toEqual([]);
    expect(text + JSON.stringify([...response.headers])).toContain("[secret]");
  });

  it("is not in an error that a stream of the tool loop ends with", async () => {
    const secret = canary("upstream");
    const watch = new CanaryWatch({ secret });
    const { id } = await proxy.createTool({
      name: "one",
      type: "function",
      implementation: "return 1;",
    });
    const { key } = await keyAt(inStream(repeated(secret)), secret, { toolIds: [id] });
    const text = await search(watch, await post(key, ask({ stream: true })));
    expect(text).toContain("[secret]");
    expect(watch.found).toEqual([]);
  });

  it.each([
    ["whole, in its first round", false, 1],
    ["whole, in a later round", false, 2],
    ["streamed, in its first round", true, 1],
    ["streamed, in a later round", true, 2],
  ])("is not in the error of a response that failed, %s", async (_where, stream, round) => {
    const secret = canary("upstream");
    const watch = new CanaryWatch({ secret });
    const { id, name } = await proxy.createTool({
      name: "one",
      type: "function",
      implementation: "return 1;",
    });
    const error = { code: "server_error", message: repeated(secret) };
    const failed = says([], { status: "failed", error });
    const called = says([functionCall("call_1", name, {})]);
    const upstream = await startUpstream(...(round === 1 ? [failed] : [called, failed]));
    const own = { openaiBaseUrl: upstream.url, openaiApiKey: secret, toolIds: [id] };
    const text = await search(
      watch,
      await postResponse(await proxy.createKey(own), { input: "Hi", stream }),
    );
    expect(text).toContain('"failed"');
    expect(text).toContain("[secret]");
    expect(watch.found).toEqual([]);
  });

  it("is not in our own sentence about an answer that is none", async () => {
    const secret = canary("upstream");
    const watch = new CanaryWatch({ secret });
    const { id } = await proxy.createTool({
      name: "one",
      type: "function",
      implementation: "return 1;",
    });
    const { key } = await keyAt(json({ detail: repeated(secret) }), secret, { toolIds: [id] });
    const response = await post(key, ask());
    expect(response.status).toBe(502);
    expect(await search(watch, response)).toContain("[secret]");
    expect(watch.found).toEqual([]);
  });

  it("is not on record where it is part of an answer, which passes as it is", async () => {
    const secret = canary("upstream");
    const { key } = await keyAt(completion({ content: secret }), secret);
    const response = await post(key, ask());
    expect(await response.text()).toContain(JSON.stringify(secret));
    const id = response.headers.get("x-proxy-conversation-id") ?? "";
    const watch = new CanaryWatch({ secret, "a proxy key": key });
    watch.look("the record", JSON.stringify(await proxy.conversation(id)));
    expect(watch.found).toEqual([]);
  });

  it("changes nothing of an error that does not repeat it", async () => {
    const bytes = Buffer.from([0xff, 0xfe, 0, 1, 2, 0xc3, 0x28, ...Buffer.from("äö€")]);
    const answer: Answer = (_request, response) =>
      void response.writeHead(418, { "content-type": "application/x-odd", etag: '"1"' }).end(bytes);
    const { key } = await keyAt(answer, canary("upstream"));
    const response = await post(key, ask());
    expect(response.status).toBe(418);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes);
  });
});

describe("a credential that an MCP server repeats", () => {
  const credential = () => {
    const secret = canary("tool");
    const headers = { authorization: `Bearer ${secret}`, "x-project": "a project" };
    return { secret, headers, watch: new CanaryWatch({ secret }) };
  };

  it.each(["a result", "an error", "a refusal"])("is not in %s", async (shape) => {
    const { secret, headers, watch } = credential();
    const words = `${repeated(secret)} a project`;
    const { url } = await serveRaw("modern", () =>
      shape === "a result"
        ? { result: { content: [{ type: "text", text: words }] } }
        : { error: { code: -1, message: words }, status: shape === "an error" ? 200 : 403 },
    );
    const { id, name, make } = await keyWith(url, { mcpHeaders: headers });
    const { upstream, key } = await make();
    await search(watch, await post(key, ask()));
    watch.look("what the model is told", upstream.requests[1]?.body.toString() ?? "");
    const tried = await proxy.admin(`/tools/${id}/try`, { json: { arguments: {} } });
    watch.look("a trial", await tried.text());
    expect(watch.found).toEqual([]);
    const told = upstream.requests[1]?.body.toString();
    expect(told).toContain("[secret]");
    expect(told, "what is no secret stays").toContain("a project");
    expect(name).toContain("remote");
  });

  it("is not in its tools, as they are discovered", async () => {
    const { secret, headers, watch } = credential();
    const { url } = await serveRaw("modern", () => ({
      result: {
        tools: [
          {
            name: "mirror",
            description: repeated(secret),
            inputSchema: { type: "object", properties: { [secret]: { const: secret } } },
          },
        ],
      },
    }));
    const { body } = await discovered({ mcpServerUrl: url, mcpHeaders: headers });
    watch.look("discovery", JSON.stringify(body));
    expect(watch.found).toEqual([]);
    expect(body.tools.map(({ name }) => name)).toEqual(["mirror"]);
  });

  it("and one of the proxy's own is not in a result", async () => {
    // What `test/helpers/settings.ts` configures every proxy under test with.
    const own = "a secret for tests, long enough";
    const { url } = await serveRaw("modern", () => ({
      result: { content: [{ type: "text", text: `I found ${own}` }] },
    }));
    const { say } = await keyWith(url);
    expect(await say()).toBe("I found [secret]");
  });
});

it("short words are not masked, though they are secrets", async () => {
  const { url } = await serveRaw("modern", () => ({
    result: { content: [{ type: "text", text: "seven77 of them" }] },
  }));
  const { say } = await keyWith(url, { mcpHeaders: { "x-api-key": "seven77" } });
  expect(await say()).toBe("seven77 of them");
  const { key } = await keyAt(completion({ tool_calls: [toolCall("c", "none", {})] }), "sk-short");
  expect((await post(key, ask())).status).toBe(200);
});
