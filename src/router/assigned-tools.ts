import { checkLimits } from "../auth/check-limits.ts";
import { openTurn } from "../record/open-turn.ts";
import type { ResolvedTool } from "../store/resolved-key.ts";
import { callTool } from "../tools/call-tool.ts";
import { failedCall } from "./failed-call.ts";
import { textContent, type RouterCall, type RouterCaller, type RouterResult, type RouterTool } from "./router-tool.ts";

/** What a name gets in front that another tool has. */
const PREFIX = "key__";

/** Runs one of the key's tools: counted by its limits, and a turn of its own on record. */
async function runAssigned({ scope, key }: RouterCaller, tool: ResolvedTool, { args, signal }: RouterCall): Promise<RouterResult> {
  const { platform, requestId } = scope;
  await checkLimits(scope, key);
  const turn = openTurn(platform, {
    id: requestId,
    endpoint: "/mcp",
    apiKey: key,
    upstream: key.openaiBaseUrl ?? platform.config.openaiBaseUrl,
  });
  const startedAt = Date.now();
  const argumentsText = JSON.stringify(args);
  const { text, error, logs } = await callTool(platform, { tool, argumentsText, owner: key.id, signal });
  turn.record.toolExecutions.push({
    id: requestId,
    toolId: tool.id,
    toolName: tool.name,
    type: tool.type,
    toolCallId: requestId,
    round: 1,
    arguments: argumentsText,
    result: error === null ? text : null,
    error: signal.aborted ? "cancelled" : error,
    logs,
    startedAt,
    durationMs: Date.now() - startedAt,
  });
  turn.record.toolsOffered = [tool.name];
  await turn.end({ status: signal.aborted ? "cancelled" : error === null ? "completed" : "failed", error: signal.aborted ? null : error });
  return error === null ? { content: textContent(text) } : failedCall(error);
}

/** SDK clients refuse a whole list where one schema has no `type: "object"`. Any other schema goes as it is. */
const listedSchema = ({ parameters }: ResolvedTool) => (parameters["type"] === "object" ? parameters : { ...parameters, type: "object" });

/**
 * The key's tools under the names that clients see: their own, or `key__` and that, where one of the router's or another of the
 * key's has it. The router's own keep their names, because clients are configured for them; an operator's tool is never lost.
 */
export function assignedTools(tools: ResolvedTool[], builtIn: Set<string>): RouterTool[] {
  const taken = new Set([...builtIn, ...tools.map(({ name }) => name)]);
  return tools.map((tool) => {
    let name = tool.name;
    if (builtIn.has(name))
      do name = PREFIX + name;
      while (taken.has(name));
    taken.add(name);
    return {
      name,
      description: tool.description,
      inputSchema: listedSchema(tool),
      // As when a model calls it: what does not fit is on record.
      checksArguments: true,
      run: (caller, call) => runAssigned(caller, tool, call),
    };
  });
}
