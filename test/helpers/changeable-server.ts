/**
 * An MCP server at a URL, built with the official SDK, whose tools a test changes while it runs.
 */
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import {
  CallToolRequestSchema,
  ListToolsRequestSchema,
  type Tool,
} from "@modelcontextprotocol/sdk/types.js";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export type ServedTool = Tool;

export interface ChangeableServer {
  url: string;
  /** What it lists now. */
  tools: ServedTool[];
  /** What a call does beside its result: change the tools, for example. */
  onCall: (name: string) => void;
  /** Whether a call announces that the tools have changed, before its result. */
  announces: boolean;
  /** A list is answered when this is. */
  beforeList: () => Promise<void>;
  /** How often it was asked for its tools. */
  lists: number;
  /** The headers of each list. */
  headers: IncomingHttpHeaders[];
  /** Ends it, as if it had died. */
  close(): void;
}

/** A tool that takes one text. */
export function servedTool(
  name: string,
  description = "says it again",
  more: Record<string, unknown> = {},
): ServedTool & { description: string } {
  return {
    name,
    description,
    inputSchema: { type: "object", properties: { text: { type: "string" } }, ...more },
  };
}

function serverOf(state: ChangeableServer, request: IncomingMessage): Server {
  const server = new Server(
    { name: "changeable", version: "1" },
    { capabilities: { tools: { listChanged: true } } },
  );
  server.setRequestHandler(ListToolsRequestSchema, async () => {
    state.lists += 1;
    state.headers.push(request.headers);
    await state.beforeList();
    return { tools: state.tools };
  });
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    state.onCall(params.name);
    if (state.announces)
      await extra.sendNotification({ method: "notifications/tools/list_changed" });
    if (!state.tools.some(({ name }) => name === params.name))
      return { isError: true, content: [{ type: "text", text: `Unknown tool: ${params.name}` }] };
    return { content: [{ type: "text", text: `${params.name} was called` }] };
  });
  return server;
}

async function answer(
  state: ChangeableServer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== "POST") return void response.writeHead(405).end();
  const server = serverOf(state, request);
  // Without sessions: each request has a server of its own, which knows the tools as they are now.
  const transport = new StreamableHTTPServerTransport();
  response.on("close", () => void transport.close());
  await server.connect(transport);
  await transport.handleRequest(request, response);
}

/** Starts a server for this test. */
export async function startChangeableServer(...tools: ServedTool[]): Promise<ChangeableServer> {
  const http = createServer((request, response) => void answer(state, request, response));
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const state: ChangeableServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    tools,
    onCall: () => {},
    announces: false,
    beforeList: () => Promise.resolve(),
    lists: 0,
    headers: [],
    close: () => {
      http.closeAllConnections();
      http.close();
    },
  };
  onTestFinished(state.close);
  return state;
}
