import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import type { RequestHandlerExtra, RequestOptions } from "@modelcontextprotocol/sdk/shared/protocol.js";
import {
  CallToolRequestSchema,
  ListToolsRequestSchema,
  ToolSchema,
  type ServerNotification,
  type ServerRequest,
} from "@modelcontextprotocol/sdk/types.js";
import * as z from "zod";
import type { Log } from "./log.ts";
import { ServerFailure, type StdioServer } from "./stdio-server.ts";

const MAX_PAGES = 64;
const MAX_TOOLS = 1_000;

/** What a server answers is passed on as it is: the client at the other end is the one that understands it. */
const AnyResult = z.looseObject({});
const ToolPage = z.looseObject({ tools: z.array(z.unknown()), nextCursor: z.string().optional() });

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

/** One session's MCP server, which hands `tools/list` and `tools/call` on to the shared process. */
export function createForwarder(server: StdioServer, around: { log: Log; callLimitMs: number }): Server {
  const forwarder = new Server({ name: server.label, version: "1" }, { capabilities: { tools: { listChanged: true } } });
  forwarder.setRequestHandler(ListToolsRequestSchema, async (_request, extra) => ({
    tools: await hideNothing(() => server.use((client) => listTools(client, { log: around.log, signal: extra.signal }))),
  }));
  forwarder.setRequestHandler(CallToolRequestSchema, async (request, extra) => {
    server.calls += 1;
    const { _meta: given = {}, ...call } = request.params;
    const { progressToken, ...meta } = given;
    // The token belongs to the caller's connection; towards the process the SDK makes one of its own.
    const params = { ...call, _meta: Object.keys(meta).length > 0 ? meta : undefined };
    const options = {
      signal: extra.signal,
      timeout: around.callLimitMs,
      resetTimeoutOnProgress: true,
      ...relayProgress(progressToken, { extra, log: around.log }),
    };
    return hideNothing(() => server.use((client) => client.request({ method: "tools/call", params }, AnyResult, options)));
  });
  const announce = () => {
    forwarder
      .sendToolListChanged()
      .catch((error: unknown) => around.log.debug({ error: String(error) }, "A session did not hear of changed tools"));
  };
  server.toolListListeners.add(announce);
  forwarder.onclose = () => server.toolListListeners.delete(announce);
  return forwarder;
}

function relayProgress(progressToken: string | number | undefined, { extra, log }: { extra: Extra; log: Log }): RequestOptions {
  if (progressToken === undefined) return {};
  return {
    onprogress: (progress) => {
      extra
        .sendNotification({ method: "notifications/progress", params: { ...progress, progressToken } })
        .catch((error: unknown) => log.debug({ error: String(error) }, "A caller did not hear of progress"));
    },
  };
}

/** The SDK writes `MCP error -32602: ` before a message whenever it passes through a client: once is enough. */
async function hideNothing<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof ServerFailure || !(error instanceof Error) || !("code" in error)) throw error;
    const message = error.message.replace(/^(?:MCP error -?\d+: )+/, "");
    throw Object.assign(new Error(message, { cause: error }), { code: error.code, ...("data" in error && { data: error.data }) });
  }
}

/** All pages of `tools/list`. Tools are judged one by one, because SDK clients refuse a whole list for one bad tool. */
async function listTools(client: Client, { log, signal }: { log: Log; signal: AbortSignal }): Promise<z.infer<typeof ToolSchema>[]> {
  const tools: z.infer<typeof ToolSchema>[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES && tools.length < MAX_TOOLS; page += 1) {
    const params = cursor === undefined ? {} : { cursor };
    const answer = await client.request({ method: "tools/list", params }, ToolPage, { signal });
    for (const tool of answer.tools) {
      const readable = makeReadable(tool);
      if (readable) tools.push(readable);
      else log.warn({ tool: JSON.stringify(tool).slice(0, 200) }, "An MCP server lists a tool that cannot be read");
    }
    cursor = answer.nextCursor;
    if (cursor === undefined || cursor === "") break;
  }
  return tools.slice(0, MAX_TOOLS);
}

/** The tool as it came where the SDK can read it; else what can be saved: its name, its text and its arguments. */
function makeReadable(tool: unknown): z.infer<typeof ToolSchema> | null {
  if (ToolSchema.safeParse(tool).success) return tool as z.infer<typeof ToolSchema>;
  if (typeof tool !== "object" || tool === null || !("name" in tool)) return null;
  const { name, description, inputSchema } = tool as { name: unknown; description?: unknown; inputSchema?: unknown };
  const schema = typeof inputSchema === "object" && inputSchema !== null && !Array.isArray(inputSchema) ? inputSchema : {};
  const saved = ToolSchema.safeParse({
    name,
    ...(typeof description === "string" && { description }),
    inputSchema: { ...schema, type: "object" },
  });
  return saved.success ? saved.data : null;
}
