/** An MCP server at a URL, whose tools a test changes, and which wants to be shown a token. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import {
  CallToolRequestSchema,
  ListToolsRequestSchema,
  type Tool,
} from "@modelcontextprotocol/sdk/types.js";

/** A running server. */
export interface ChangingServer {
  url: string;
  /** What it lists; a test changes it. */
  tools: Tool[];
  /** Headers of the requests so far. */
  seen: IncomingMessage["headers"][];
  close(): void;
}

async function answer(
  tools: Tool[],
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const server = new Server(
    { name: "changing", version: "1.0.0" },
    { capabilities: { tools: {} } },
  );
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools }));
  server.setRequestHandler(CallToolRequestSchema, ({ params }) => ({
    content: [{ type: "text", text: `${params.name} was called` }],
  }));
  const transport = new StreamableHTTPServerTransport({});
  response.once("close", () => void server.close());
  await server.connect(transport);
  await transport.handleRequest(request, response);
}

/** Starts one. @param token what a request's bearer token must be; empty: none is wanted */
export async function startChangingServer(tools: Tool[], token = ""): Promise<ChangingServer> {
  const changing = { tools, seen: [] as IncomingMessage["headers"][] };
  const server = createServer((request, response) => {
    changing.seen.push(request.headers);
    if (token !== "" && request.headers.authorization !== `Bearer ${token}`) {
      response.writeHead(401, { "www-authenticate": "Bearer" }).end();
    } else if (request.method === "POST") void answer(changing.tools, request, response);
    else response.writeHead(405).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return Object.assign(changing, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    close,
  });
}
