/**
 * An MCP server at a URL that answers each call with what a test gives it, word for word: real
 * servers' SDKs would refuse some of what servers in the wild send.
 */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { proxy } from "./proxy.ts";

type Json = Record<string, unknown>;

/**
 * Answers a call: gives a `CallToolResult`, throws an error of the protocol, or spoils the response
 * itself.
 */
export type McpAnswer = (args: Json, response: ServerResponse) => unknown;

export interface McpServer {
  url: string;
  /** Calls that run, and the most that ran at the same time. */
  running: { now: number; most: number };
}

const PROTOCOL = "2025-11-25";

/** Starts a server whose tools are these. */
async function startMcpServer(tools: Record<string, McpAnswer>): Promise<McpServer> {
  const running = { now: 0, most: 0 };
  const call = async (
    { name, arguments: args }: Json,
    response: ServerResponse,
  ): Promise<unknown> => {
    running.now++;
    running.most = Math.max(running.most, running.now);
    try {
      return await tools[String(name)]?.((args ?? {}) as Json, response);
    } finally {
      running.now--;
    }
  };
  const methods: Record<string, (params: Json, response: ServerResponse) => unknown> = {
    initialize: () => ({
      protocolVersion: PROTOCOL,
      capabilities: { tools: {} },
      serverInfo: { name: "a test", version: "1" },
    }),
    ping: () => ({}),
    "tools/list": () => ({
      tools: Object.keys(tools).map((name) => ({ name, inputSchema: { type: "object" } })),
    }),
    "tools/call": call,
  };
  const answer = async (
    { method, params = {} }: { method: string; params?: Json },
    response: ServerResponse,
  ): Promise<Json> => {
    const run = methods[method];
    if (run === undefined) return { error: { code: -32601, message: `No method ${method}` } };
    try {
      return { result: await run(params, response) };
    } catch (error) {
      return { error: { code: -32603, message: (error as Error).message } };
    }
  };
  const server = createServer((request, response) => {
    void (async () => {
      if (request.method !== "POST") return response.writeHead(405).end();
      let text = "";
      for await (const chunk of request) text += String(chunk);
      const message = JSON.parse(text) as { id?: unknown; method: string; params?: Json };
      if (message.id === undefined) return response.writeHead(202).end();
      const answered = await answer(message, response);
      if (response.writableEnded || response.destroyed) return;
      const status = methods[message.method] === undefined ? 404 : 200;
      response
        .writeHead(status, { "content-type": "application/json" })
        .end(JSON.stringify({ jsonrpc: "2.0", id: message.id, ...answered }));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, running };
}

/** A tool of such a server, with this result. */
export async function mcpTool(
  name: string,
  answer: McpAnswer,
  fields: Json = {},
): Promise<{ id: string; name: string; server: McpServer }> {
  const server = await startMcpServer({ [name]: answer });
  const parameters = { type: "object", properties: {} };
  const tool = await proxy.createTool({
    parameters,
    ...fields,
    name,
    type: "mcp",
    mcpToolName: name,
    mcpServerUrl: server.url,
  });
  return { ...tool, server };
}

const base64 = (bytes: number[]) => Buffer.from(bytes).toString("base64");

/** The smallest of each format that models take. */
export const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
export const JPEG = base64([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46, 0, 1]);
export const GIF = Buffer.from("GIF89a\u0001\0\u0001\0\0\0\0;").toString("base64");
export const WEBP = Buffer.from("RIFF\u001a\0\0\0WEBPVP8L").toString("base64");
export const WAV = Buffer.from("RIFF$\0\0\0WAVEfmt ").toString("base64");
export const MP3 = base64([0xff, 0xfb, 0x90, 0x64, 0, 0, 0, 0]);

/** A PNG of about this many bytes. */
export const largePng = (bytes: number): string =>
  Buffer.concat([Buffer.from(PNG, "base64"), Buffer.alloc(bytes)]).toString("base64");
