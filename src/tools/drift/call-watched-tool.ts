import { memorySlot, type Memory } from "../../memory.ts";
import { messageOf } from "../../openai/error-message.ts";
import type { Platform, RequestScope } from "../../platform.ts";
import type { ResolvedTool } from "../../store/resolved-key.ts";
import { callTool, type ToolCall } from "../call-tool.ts";
import { checkMcpServer, spellTarget } from "./check-mcp-server.ts";
import type { McpTarget } from "../mcp/mcp-client.ts";
import { mcpTargetOf } from "../mcp/run-mcp-tool.ts";
import { identifyServer, parseServerCommand } from "../mcp/server-command.ts";
import { listSidecarServers } from "../mcp/sidecar-servers.ts";
import type { ToolResult } from "../tool-result.ts";
import { TOOL_TYPES } from "../tool-types.ts";

/** A server in use is asked what it offers once a minute. */
const EVERY_MS = 60_000;
/** By then the request that called the tool has done with the server, as a rule. */
const LATER_MS = 500;
/** A server that announces changes all the time is asked no more often than this. */
const AGAIN_MS = 1000;
/** A server that was just used is not slow to list its tools. */
const LIMIT_MS = 15_000;

type WatchScope = Pick<RequestScope, "platform" | "waitUntil" | "ending">;
type WatchedCall = Omit<ToolCall, "onToolsChanged">;

interface Checks {
  /** When a tool was last checked, or its check begun, by {@link identityOf}. */
  noted: Map<string, number>;
  /** Checks under way, by server. `isAskedAgain`: it has announced a change since. */
  running: Map<string, { startedAt: number; isAskedAgain: boolean }>;
}

interface Watch {
  tool: ResolvedTool;
  owner: string;
  /** Called when other tools than before are to be offered. */
  onOfferChanged(memory: Memory): void;
}

const checks = memorySlot((): Checks => ({ noted: new Map(), running: new Map() }));
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A tool, as long as it stays at its server. */
const identityOf = (
  tool: Pick<ResolvedTool, "id" | "mcpServerCommand" | "mcpServerUrl" | "mcpToolName">,
) => JSON.stringify([tool.id, tool.mcpServerCommand, tool.mcpServerUrl, tool.mcpToolName]);

/** Whether a server runs already: none is started only to be looked at. */
async function isRunning(platform: Platform, target: McpTarget): Promise<boolean> {
  if (target.kind === "url") return true;
  const id = await identifyServer({
    ...parseServerCommand(target.command),
    env: target.env,
    owner: target.owner,
  });
  return (await listSidecarServers(platform)).some(
    (server) => server.id === id && server.state === "running",
  );
}

/** Never throws: a server that cannot be asked has not changed anything. */
async function checkOnce(
  { platform, ending }: WatchScope,
  watch: Watch,
  target: McpTarget,
): Promise<void> {
  const { tool, owner } = watch;
  try {
    if (!(await isRunning(platform, target))) return;
    const check = { tool, owner, signal: ending, timeoutMs: LIMIT_MS, notedEveryMs: EVERY_MS };
    const { tools, isOfferChanged } = await checkMcpServer(platform, check);
    const { noted } = checks.of(platform.memory);
    for (const one of tools) noted.set(identityOf(one), performance.now());
    if (isOfferChanged) watch.onOfferChanged(platform.memory);
  } catch (error) {
    platform.logger.debug("An MCP server could not be asked for its tools", {
      tool: tool.name,
      error: messageOf(error),
    });
  }
}

/**
 * Asks a tool's server, and again where it announces a change meanwhile. A check that runs already
 * serves all its tools.
 */
async function checkServer(scope: WatchScope, watch: Watch, isAnnounced: boolean): Promise<void> {
  const { noted, running } = checks.of(scope.platform.memory);
  const target = await mcpTargetOf(scope.platform, watch.tool, watch.owner);
  const server = spellTarget({ ...target, owner: watch.tool.mcpIsolation });
  const other = running.get(server);
  // One that should have ended long ago has died with its request, as workerd lets them.
  if (other !== undefined && performance.now() - other.startedAt < 2 * LIMIT_MS) {
    other.isAskedAgain ||= isAnnounced;
    noted.delete(identityOf(watch.tool));
    return;
  }
  const own = { startedAt: performance.now(), isAskedAgain: false };
  running.set(server, own);
  for (;;) {
    await checkOnce(scope, watch, target);
    if (!own.isAskedAgain || scope.ending.aborted) break;
    await pause(AGAIN_MS);
    Object.assign(own, { startedAt: performance.now(), isAskedAgain: false });
  }
  running.delete(server);
}

/**
 * Looks behind the response whether a tool's server still offers what was approved: once a minute,
 * or when it says that it does not.
 */
function watchServer(scope: WatchScope, watch: Watch, isAnnounced: boolean): void {
  const { platform } = scope;
  const { tool } = watch;
  const { noted } = checks.of(platform.memory);
  const sinceNoted = performance.now() - (noted.get(identityOf(tool)) ?? -Infinity);
  // A replica's clock may be ahead: what it says of the future says nothing.
  const sinceChecked = Math.abs(Date.now() - (tool.mcpCheckedAt?.getTime() ?? -Infinity));
  if (!isAnnounced && Math.min(sinceNoted, sinceChecked) < EVERY_MS) return;
  noted.set(identityOf(tool), performance.now());
  const check = async () => {
    if (!isAnnounced) await pause(LATER_MS);
    await checkServer(scope, watch, isAnnounced);
  };
  scope.waitUntil(
    check().catch((error: unknown) =>
      platform.logger.debug("An MCP server could not be asked for its tools", {
        tool: tool.name,
        error: messageOf(error),
      }),
    ),
  );
}

/**
 * Runs one call as `callTool` does, and looks behind it whether the tool's MCP server still offers
 * what the operator approved.
 * @param onOfferChanged called when other tools than before are to be offered
 */
export async function callWatchedTool(
  scope: WatchScope,
  call: WatchedCall,
  onOfferChanged: Watch["onOfferChanged"],
): Promise<ToolResult> {
  const { tool, owner } = call;
  if (!TOOL_TYPES[tool.type].isAtServer) return callTool(scope.platform, call);
  const watch = { tool, owner, onOfferChanged };
  const result = await callTool(scope.platform, {
    ...call,
    onToolsChanged: () => watchServer(scope, watch, true),
  });
  watchServer(scope, watch, false);
  return result;
}
