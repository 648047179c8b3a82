/** The router's wire, message by message. */
import { request as ask } from "node:http";
import type { SeenResult } from "./mcp-clients.ts";
import { proxy } from "./proxy.ts";

/** A message of 2025-11-25 and older. */
export const message = (
  method: string,
  params: Record<string, unknown> = {},
  id: number | string = 1,
) => ({
  jsonrpc: "2.0",
  id,
  method,
  params,
});

/** A message of 2026-07-28, which says of itself what it is. */
export const modernMessage = (
  method: string,
  params: Record<string, unknown> = {},
  id: number | string = 1,
) =>
  message(
    method,
    {
      ...params,
      _meta: {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { name: "a test", version: "1" },
        ...(params["_meta"] as object | undefined),
      },
    },
    id,
  );

/** What every request of either era must have. */
export const HEADERS = {
  "content-type": "application/json",
  accept: "application/json, text/event-stream",
};

/** The headers that 2026-07-28 wants beside. */
export const modernHeaders = (method: string, name?: string) => ({
  "mcp-protocol-version": "2026-07-28",
  "mcp-method": method,
  ...(name === undefined ? {} : { "mcp-name": name }),
});

/** What was answered. */
export interface McpAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  /** The last JSON-RPC message in it. */
  json: {
    id?: unknown;
    result?: Record<string, unknown>;
    error?: { code: number; message: string; data?: unknown };
  };
}

function lastMessage(text: string, contentType: string): McpAnswer["json"] {
  const payloads = contentType.startsWith("text/event-stream")
    ? [...text.matchAll(/^data: ([^\n\r]+)$/gm)].map(([, data = ""]) => data)
    : [text];
  try {
    return JSON.parse(payloads.at(-1) ?? "null") as McpAnswer["json"];
  } catch {
    return {};
  }
}

interface McpPost {
  key?: string;
  method?: string;
  headers?: Record<string, string>;
  body?: unknown;
}

/** Sends exactly these headers and bytes: `fetch` would not send a foreign `Host`. */
export function send({
  key,
  method = "POST",
  headers = HEADERS,
  body,
}: McpPost): Promise<McpAnswer> {
  const bytes =
    body === undefined
      ? undefined
      : typeof body === "string" || Buffer.isBuffer(body)
        ? body
        : JSON.stringify(body);
  const withKey = key === undefined ? headers : { authorization: `Bearer ${key}`, ...headers };
  return new Promise((answered, failed) => {
    const sent = ask(`${proxy.url}/mcp`, { method, headers: withKey, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("error", failed);
      response.on("end", () => {
        const type = response.headers["content-type"] ?? "";
        answered({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          json: lastMessage(text, type),
        });
      });
    });
    sent.on("error", failed);
    sent.end(bytes);
  });
}

/** One call of a tool, as a client of the older era sends it. */
export async function callTool(
  key: string,
  name: string,
  args: Record<string, unknown>,
): Promise<SeenResult> {
  const answer = await send({ key, body: message("tools/call", { name, arguments: args }) });
  if (answer.json.result === undefined) throw new Error(`${answer.status}: ${answer.text}`);
  return answer.json.result as unknown as SeenResult;
}
