import { forgetKeys } from "../auth/authenticate.ts";
import { isObject, objectsOf, type JsonObject } from "../openai/json.ts";
import { describeError } from "../store/describe-error.ts";
import type { ResolvedTool } from "../store/resolved-key.ts";
import { callWatchedTool } from "../tools/drift/call-watched-tool.ts";
import type { ToolResult } from "../tools/tool-result.ts";
import { inTurn } from "./in-turn.ts";
import { failedCall } from "./failed-call.ts";
import {
  textContent,
  type ProgressStep,
  type RouterCall,
  type RouterCaller,
  type RouterResult,
  type RouterTool,
} from "./router-tool.ts";

/** What a name gets in front that another tool has. */
const PREFIX = "key__";

/** Content that every era has; a client's SDK refuses a whole result for any other. */
const CONTENT_TYPES = new Set(["text", "image", "audio", "resource", "resource_link"]);

const isBlock = (block: JsonObject): block is JsonObject & { type: string } =>
  typeof block["type"] === "string" && CONTENT_TYPES.has(block["type"]);

/**
 * What a client gets: an MCP server's own result, so that an image stays one; of all else, what a
 * model would be given.
 */
function resultOf({ text, error, raw }: ToolResult): RouterResult {
  if (raw === undefined) return error === null ? { content: textContent(text) } : failedCall(error);
  const content = objectsOf(raw["content"]).flatMap((block) =>
    isBlock(block) ? [block] : textContent(JSON.stringify(block)),
  );
  const structured = raw["structuredContent"];
  return {
    content,
    ...(isObject(structured) ? { structuredContent: structured } : {}),
    ...(raw["isError"] === true ? { isError: true } : {}),
  };
}

/** What a tool's server says of its progress, for the client that asked. */
function relay(
  { platform }: RouterCaller["scope"],
  progress: NonNullable<RouterCall["progress"]>,
): (step: ProgressStep) => void {
  return ({ progress: done, total, message }) => {
    progress({ progress: done, total, message }).catch((error: unknown) =>
      platform.logger.debug("A client did not hear of progress", { error: describeError(error) }),
    );
  };
}

/** Runs one of the key's tools: counted by its limits, and a turn of its own on record. */
function runAssigned(
  caller: RouterCaller,
  tool: ResolvedTool,
  { args, signal, progress }: RouterCall,
): Promise<RouterResult> {
  const { scope, key } = caller;
  const { requestId } = scope;
  return inTurn(caller, {}, async ({ turn, limits }) => {
    await limits.take();
    turn.offered([tool.name], []);
    const startedAt = Date.now();
    const since = performance.now();
    const argumentsText = JSON.stringify(args);
    const onProgress = progress === null ? {} : { onProgress: relay(scope, progress) };
    const call = { tool, argumentsText, owner: key.id, signal, ...onProgress };
    const ran = await callWatchedTool(scope, call, forgetKeys);
    const { text, error, logs } = ran;
    turn.toolRan({
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
      durationMs: Math.round(performance.now() - since),
    });
    const status = error === null ? "completed" : "failed";
    await turn.ended(signal.aborted ? { status: "cancelled" } : { status, error });
    return resultOf(ran);
  });
}

/**
 * SDK clients refuse a whole list where one schema has no `type: "object"`. Any other schema goes
 * as it is.
 */
const listedSchema = ({ parameters }: ResolvedTool) =>
  parameters["type"] === "object" ? parameters : { ...parameters, type: "object" };

/**
 * The key's tools under the names that clients see: their own, or `key__` and that, where one of
 * the router's or another of the key's has it. The router's own keep their names, because clients
 * are configured for them; an operator's tool is never lost.
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
