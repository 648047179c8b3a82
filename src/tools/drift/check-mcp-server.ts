import { ApiError } from "../../openai/api-error.ts";
import { messageOf } from "../../openai/error-message.ts";
import { sortedMembers } from "../../openai/json.ts";
import type { Platform } from "../../platform.ts";
import type { ResolvedTool } from "../../store/resolved-key.ts";
import { SealError } from "../../store/seal.ts";
import { findToolsAt, noteChecked, noteDrift } from "../../store/tool-drift.ts";
import type { StoredTool } from "../../store/tools.ts";
import { listMcpTools, type McpTarget } from "../mcp/mcp-client.ts";
import { mcpTargetOf } from "../mcp/run-mcp-tool.ts";
import { driftOf, type Drift } from "./tool-drift.ts";

/** The columns of a tool that say where its server is. */
type ServerOfTool = Pick<
  ResolvedTool,
  "mcpServerCommand" | "mcpServerUrl" | "mcpIsolation" | "env" | "mcpHeaders"
>;

/** One question to an MCP server. */
export interface ServerCheck {
  tool: ServerOfTool;
  /** Whose process is asked, where each API key has its own. */
  owner: string;
  signal: AbortSignal;
  timeoutMs: number;
  /** A check that found nothing new is noted no more often than this, in milliseconds. */
  notedEveryMs: number;
}

/** What came of a check. */
export interface CheckedServer {
  /** Every tool at that server. */
  tools: StoredTool[];
  /** Whether a tool is offered now that was not, or the other way round. */
  isOfferChanged: boolean;
}

const failed = (error: unknown): never => {
  throw new ApiError("mcp_server_failed", messageOf(error), { cause: error });
};

/** Equal for equal servers; holds secrets. */
export const spellTarget = (target: McpTarget): string =>
  // A server at a URL is one, whoever has a session there.
  JSON.stringify(sortedMembers(target.kind === "url" ? { ...target, owner: "" } : target));

/** Those of the tools that are at the target; without those whose secrets cannot be opened. */
async function toolsAtTarget(
  platform: Platform,
  { found, target, owner }: { found: StoredTool[]; target: McpTarget; owner: string },
) {
  const wanted = spellTarget(target);
  const isThere = async (tool: StoredTool): Promise<boolean> => {
    try {
      return spellTarget(await mcpTargetOf(platform, tool, owner)) === wanted;
    } catch (error) {
      if (error instanceof SealError) return false;
      throw error;
    }
  };
  const are = await Promise.all(found.map(isThere));
  return found.filter((_, index) => are[index]);
}

/**
 * @returns null where what the server says of the tool cannot be kept: that must not hide what it
 * says of the others
 */
function driftOrNull(
  platform: Platform,
  tool: StoredTool,
  offered: Parameters<typeof driftOf>[1],
): Drift | null {
  try {
    return driftOf(tool, offered);
  } catch (error) {
    platform.logger.debug("A tool could not be compared with what its MCP server offers", {
      tool: tool.name,
      error: messageOf(error),
    });
    return null;
  }
}

/**
 * Asks an MCP server what it offers, and notes for each tool at it whether that is what the
 * operator approved.
 * @throws ApiError 502 with a sentence where it cannot be asked; then nothing is changed
 */
export async function checkMcpServer(
  platform: Platform,
  check: ServerCheck,
): Promise<CheckedServer> {
  const { owner, signal, timeoutMs, notedEveryMs } = check;
  const { database } = platform;
  const target = await mcpTargetOf(platform, check.tool, owner).catch(failed);
  const { tools: found, askedAt } = await findToolsAt(database, check.tool);
  const tools = await toolsAtTarget(platform, { found, target, owner });
  const listed = await listMcpTools(platform, {
    target,
    signal,
    timeoutMs,
    mustBeOfNow: true,
  }).catch(failed);
  const unchanged: string[] = [];
  let isOfferChanged = false;
  for (const tool of tools) {
    const drift = driftOrNull(
      platform,
      tool,
      listed.find(({ name }) => name === (tool.mcpToolName ?? tool.name)),
    );
    if (drift === null) continue;
    if (drift.mcpApproved === tool.mcpApproved && drift.mcpChanged === tool.mcpChanged)
      unchanged.push(tool.id);
    else await noteDrift(database, tool, { ...drift, askedAt });
    if (
      tool.onMcpChange === "disable" &&
      (drift.mcpChanged === null) !== (tool.mcpChanged === null)
    )
      isOfferChanged = true;
  }
  const unlessSince = new Date(askedAt.getTime() - notedEveryMs);
  if (unchanged.length > 0) await noteChecked(database, unchanged, { askedAt, unlessSince });
  return { tools, isOfferChanged };
}
