/** What a request may be at most, and what is refused with the name of its bound. */
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { completion, sentMessages, startUpstream, toolCall } from "../helpers/upstream.ts";

let tool: { id: string; name: string };

beforeAll(async () => {
  tool = await proxy.createTool({
    name: "words",
    type: "function",
    parameters: {
      type: "object",
      properties: { a: { type: "string", pattern: String.raw`^([a-zA-Z0-9]+\s?)+$` } },
    },
    implementation: "return 'ran';",
  });
});

const bodyOf = (content: string) =>
  JSON.stringify({ model: "gpt-test", messages: [{ role: "user", content }] });

/** Asks with a key that has a tool, so that the proxy reads the body. */
async function ask(
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
  answers = [completion({ content: "hi" })],
) {
  const upstream = await startUpstream(...answers);
  const { key } = await proxy.createKey({ toolIds: [tool.id], openaiBaseUrl: upstream.url });
  const response = await fetch(`${proxy.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    body,
  });
  return { status: response.status, text: await response.text(), upstream };
}

const zipped = (text: string, layers: number): Uint8Array<ArrayBuffer> => {
  let bytes: Uint8Array<ArrayBuffer> = new TextEncoder().encode(text);
  for (let layer = 0; layer < layers; layer++) bytes = new Uint8Array(gzipSync(bytes));
  return bytes;
};

describe("a request body", () => {
  it.each([
    ["gzip", 1],
    ["x-gzip", 1],
    ["gzip, gzip", 2],
  ])("is read with content-encoding %s", async (encoding, layers) => {
    const body = zipped(bodyOf("hello"), layers);
    const { status, upstream } = await ask(body, { "content-encoding": encoding });
    expect(status).toBe(200);
    expect(sentMessages(upstream, 0)[0]?.content).toBe("hello");
  });

  it("with three encodings is a 415 that names the bound", async () => {
    const body = zipped(bodyOf("hello"), 3);
    const { status, text } = await ask(body, { "content-encoding": "gzip, gzip, gzip" });
    expect({ status, text }).toMatchObject({
      status: 415,
      text: expect.stringContaining("at most 2"),
    });
  });

  it("of many megabytes reaches upstream as it was, whatever its characters", async () => {
    const content = "aé€😀".repeat(400_000);
    const { status, upstream } = await ask(bodyOf(content));
    expect(status).toBe(200);
    expect(sentMessages(upstream, 0)[0]?.content === content).toBe(true);
  });

  it.each([
    ["nested too deeply", `{"messages":[],"a":${"[".repeat(300)}${"]".repeat(300)}}`, "256 levels"],
    ["of too many values", `{"messages":[],"a":[${"0,".repeat(500_000)}0]}`, "500,000 values"],
  ])("%s is a 400 that names the bound, and upstream is not asked", async (_name, body, says) => {
    const { status, text, upstream } = await ask(body);
    expect({ status, text }).toMatchObject({ status: 400, text: expect.stringContaining(says) });
    expect(upstream.requests).toHaveLength(0);
  });
});

it("a tool whose arguments cannot be checked in time is not run, and the model is told", async () => {
  const calls = [toolCall("call_1", tool.name, { a: `${"a".repeat(31)}!` })];
  const { status, upstream } = await ask(bodyOf("go"), {}, [
    completion({ tool_calls: calls }),
    completion({ content: "Done." }),
  ]);
  expect(status).toBe(200);
  expect(sentMessages(upstream, 1).at(-1)?.content).toContain("The tool was not run");
});
