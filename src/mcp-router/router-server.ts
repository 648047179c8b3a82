import {
  McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type CallToolResult,
  type ServerContext,
  type Tool,
} from "@modelcontextprotocol/server";
import { ApiError } from "../openai/api-error.ts";
import { isObject, type JsonObject } from "../openai/json.ts";
import { checkArguments } from "../tools/tool-schema.ts";
import { describeError } from "../store/describe-error.ts";
import { assignedTools } from "./assigned-tools.ts";
import { chatTool } from "./chat-tool.ts";
import { embedTool } from "./embed-tool.ts";
import { failedCall, failedError } from "./failed-call.ts";
import { listModelsTool } from "./list-models-tool.ts";
import type { RouterCall, RouterCaller, RouterResult, RouterTool } from "./router-tool.ts";

const INSTRUCTIONS =
  "Asks OpenAI models (chat), lists them (list_models), embeds texts (embed), and runs the tools that the operator of this proxy gave to the API key.";

/** A change of a key's tools is seen this soon by clients that keep lists, in milliseconds. */
const LIST_TTL_MS = 5000;

/** The tools that a key has here, always in the same order: clients' prompt caches live on it. */
function toolsOf({ scope, key }: RouterCaller): RouterTool[] {
  const builtIn = [chatTool(scope.platform, key), listModelsTool, embedTool];
  return [...builtIn, ...assignedTools(key.tools, new Set(builtIn.map(({ name }) => name)))];
}

/** Notifications for the client's token, where it gave one. */
function progressOf({ mcpReq }: ServerContext): RouterCall["progress"] {
  const { _meta: meta } = mcpReq;
  const token = meta?.progressToken;
  if (token === undefined) return null;
  return (step) =>
    mcpReq.notify({ method: "notifications/progress", params: { ...step, progressToken: token } });
}

async function runTool(
  caller: RouterCaller,
  tool: RouterTool,
  call: RouterCall,
): Promise<RouterResult> {
  try {
    const checked =
      tool.checksArguments === true
        ? null
        : await checkArguments(caller.scope.platform, {
            tool: { parameters: tool.inputSchema },
            text: JSON.stringify(call.args),
            owner: caller.key.id,
          });
    if (checked !== null && "violation" in checked)
      return failedCall(checked.violation, { code: "invalid_value" });
    return await tool.run(caller, call);
  } catch (error) {
    if (call.signal.aborted) return failedCall("The call was cancelled.");
    if (error instanceof ApiError) return failedError(error);
    caller.scope.platform.logger.error(
      "A tool of the MCP router failed for a reason that nobody foresaw",
      {
        tool: tool.name,
        error: describeError(error),
      },
    );
    throw new ProtocolError(
      ProtocolErrorCode.InternalError,
      "The proxy failed to handle this call. Its log says why.",
    );
  }
}

/**
 * Knows the schemas that go out as they are, so that the SDK holds `Mcp-Param-*` headers against
 * the arguments (`x-mcp-header`).
 */
class RouterServer extends McpServer {
  readonly #tools: RouterTool[];
  constructor(tools: RouterTool[], ...rest: ConstructorParameters<typeof McpServer>) {
    super(...rest);
    this.#tools = tools;
  }
  override toolInputSchemaJson(name: string): JsonObject | undefined {
    return this.#tools.find((tool) => tool.name === name)?.inputSchema;
  }
}

/**
 * The MCP server of one request, for both eras. Schemas go out as they are: the low-level handlers
 * do not rebuild them.
 * @param version of the product
 */
export function createRouterServer(caller: RouterCaller, version: string): McpServer {
  const tools = toolsOf(caller);
  const mcp = new RouterServer(
    tools,
    { name: "openai-proxy-server", title: "MCP OpenAI Router", version },
    {
      capabilities: { tools: {} },
      instructions: INSTRUCTIONS,
      cacheHints: { "tools/list": { ttlMs: LIST_TTL_MS, cacheScope: "private" } },
    },
  );
  mcp.server.setRequestHandler("tools/list", () => ({
    tools: tools.map(
      ({ run: _run, checksArguments: _checks, ...listed }) => listed as unknown as Tool,
    ),
  }));
  mcp.server.setRequestHandler("tools/call", async ({ params }, context) => {
    const tool = tools.find(({ name }) => name === params.name);
    if (tool === undefined)
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Unknown tool: ${params.name}`);
    const args: JsonObject = isObject(params.arguments) ? params.arguments : {};
    const call = { args, signal: context.mcpReq.signal, progress: progressOf(context) };
    return (await runTool(caller, tool, call)) as CallToolResult;
  });
  return mcp;
}
