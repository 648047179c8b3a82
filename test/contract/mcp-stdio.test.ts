/** The router over stdio, as desktop clients start it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { describe, expect, it, onTestFinished } from "vitest";
import { ADD } from "../helpers/mcp-clients.ts";
import { message } from "../helpers/mcp-http.ts";
import { proxy } from "../helpers/proxy.ts";
import { chunk, completion, startUpstream, usageChunk, type Answer } from "../helpers/upstream.ts";

const SCRIPT = join(import.meta.dirname, "../../mcp-stdio/main.ts");
const INFO = { name: "a test", version: "1" };

const environment = (key: string, url = proxy.url) => ({
  OPENAI_PROXY_URL: url,
  OPENAI_PROXY_KEY: key,
  PATH: process.env["PATH"] ?? "",
});

/**
 * Clients forget who listens for progress as soon as they have read the result: what comes with it
 * in one piece, they lose.
 */
const saysSlowly =
  (...texts: string[]): Answer =>
  async (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const payload of [
      ...texts.map((content) => chunk({ content })),
      chunk({}, "stop"),
      usageChunk(),
    ]) {
      response.write(`data: ${JSON.stringify(payload)}\n\n`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    response.end("data: [DONE]\n\n");
  };

/** The command, line by line. */
function start(env: Record<string, string>, args: string[] = []) {
  const child = spawn(process.execPath, [SCRIPT, ...args], { env, stdio: "pipe" });
  onTestFinished(() => void child.kill("SIGKILL"));
  const output = { text: "", errors: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output.text += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output.errors += text));
  const exited = once(child, "exit").then(([code]) => code as number | null);
  const lines = () => output.text.split("\n").slice(0, -1);
  return {
    write: (line: unknown) =>
      child.stdin.write(`${typeof line === "string" ? line : JSON.stringify(line)}\n`),
    child,
    output,
    exited,
    lines,
  };
}

describe.each([
  [
    "SDK 1",
    async (env: Record<string, string>) => {
      const client = new OldClient(INFO);
      await client.connect(new OldTransport({ command: process.execPath, args: [SCRIPT], env }));
      return client;
    },
  ],
  [
    "SDK 2, 2026-07-28",
    async (env: Record<string, string>) => {
      const client = new Client(INFO, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
      await client.connect(
        new StdioClientTransport({ command: process.execPath, args: [SCRIPT], env }),
      );
      return client;
    },
  ],
])("%s by stdio", (_name, connect) => {
  it("lists and calls, is told the text as it streams, and cancels", async () => {
    const header = {
      ...ADD,
      parameters: {
        ...ADD.parameters,
        properties: { ...ADD.parameters.properties, a: { type: "integer", "x-mcp-header": "A" } },
      },
    };
    const tool = await proxy.createTool(header);
    const upstream = await startUpstream(saysSlowly("One\u2028", "two ☃"), () => {});
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url, toolIds: [tool.id] });
    const client = await connect(environment(key));
    onTestFinished(() => client.close());
    expect(await client.callTool({ name: tool.name, arguments: { a: 40, b: 2 } })).toMatchObject({
      content: [{ text: "42" }],
    });
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain(tool.name);
    const seen: string[] = [];
    const call = { name: "chat", arguments: { prompt: "Count." } };
    const options = {
      onprogress: ({ message: text = "" }: { message?: string | undefined }) =>
        void seen.push(text),
    };
    // The older client takes a schema in the place between.
    const ask = (more: object) =>
      client instanceof Client
        ? client.callTool(call, more)
        : client.callTool(call, undefined, more);
    expect(await ask(options)).toMatchObject({ content: [{ text: "One\u2028two ☃" }] });
    expect(seen.join("")).toBe("One\u2028two ☃");
    const cancel = new AbortController();
    const cancelled = ask({ signal: cancel.signal }).catch((error: Error) => error);
    await expect.poll(() => upstream.requests.length).toBe(2);
    cancel.abort();
    await upstream.requests[1]?.aborted;
    expect(await cancelled).toBeInstanceOf(Error);
  });
});

it("exits when stdin closes, and takes what runs with it", async () => {
  const upstream = await startUpstream(() => {});
  const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
  const { write, child, exited, output } = start(environment(key));
  write(message("tools/call", { name: "chat", arguments: { prompt: "Think." } }));
  await expect.poll(() => upstream.requests.length, { timeout: 5000 }).toBe(1);
  child.stdin.end();
  expect(await exited).toBe(0);
  await upstream.requests[0]?.aborted;
  expect(output).toEqual({ text: "", errors: "" });
});

it("writes JSON-RPC alone to stdout, whatever it is sent", async () => {
  const upstream = await startUpstream(completion({ content: "Hi." }));
  const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
  const { write, child, exited, lines } = start(environment(key));
  for (const line of [
    "no JSON",
    "",
    "[]",
    { jsonrpc: "2.0", id: 9, result: {} },
    message("ping", {}, "p"),
    message("nothing/there", {}, 2),
  ])
    write(line);
  await expect.poll(() => lines().length, { timeout: 5000 }).toBe(4);
  const answers = lines().map(
    (line) => JSON.parse(line) as { id: unknown; error?: { code: number } },
  );
  expect(answers.filter(({ id }) => id === null).map(({ error }) => error?.code)).toEqual([
    -32700, -32700,
  ]);
  expect(answers.find(({ id }) => id === "p")).toMatchObject({ result: {} });
  expect(answers.find(({ id }) => id === 2)).toMatchObject({ error: { code: -32601 } });
  child.stdin.end();
  expect(await exited).toBe(0);
});

it("answers with what is wrong where the key is, or the proxy is away", async () => {
  const cases = [
    [environment("sk-proxy-nobody"), /not known here/],
    [
      environment("sk-proxy-nobody", "http://127.0.0.1:9"),
      /The proxy at http:\/\/127\.0\.0\.1:9\/mcp cannot be used: .+/,
    ],
  ] as const;
  for (const [env, expected] of cases) {
    const { write, lines, output } = start(env);
    write(message("tools/list", {}, 5));
    await expect.poll(() => lines().length, { timeout: 5000 }).toBe(1);
    expect(JSON.parse(lines()[0] ?? "")).toMatchObject({
      jsonrpc: "2.0",
      id: 5,
      error: { code: expect.any(Number), message: expect.stringMatching(expected) },
    });
    expect(output.errors).toMatch(expected);
  }
});

it.each([
  ["no key", { env: environment(""), args: [] }, /set OPENAI_PROXY_KEY/],
  [
    "no URL",
    { env: environment("k", "localhost:3000"), args: [] },
    /OPENAI_PROXY_URL is "localhost:3000"/,
  ],
  ["another command", { env: environment("k"), args: ["serve"] }, /the one command is mcp/],
])(
  "says on stderr what is missing, and exits with 2: %s",
  async (_name, { env, args }, expected) => {
    const { exited, output } = start(env, args);
    expect(await exited).toBe(2);
    expect(output.errors).toMatch(expected);
    expect(output.text).toBe("");
  },
);
