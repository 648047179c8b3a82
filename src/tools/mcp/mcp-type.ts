import { messageOf } from "../../openai/error-message.ts";
import type { Platform } from "../../platform.ts";
import type { ToolColumns } from "../../store/tools.ts";
import { checkServerUrl } from "../addresses/address-policy.ts";
import { runMcpTool } from "./run-mcp-tool.ts";
import { parseServerCommand } from "./server-command.ts";
import { refuseField, type ToolType } from "../tool-type.ts";

/** A server that listens at a URL. */
function checkUrl(config: Platform["config"], { mcpServerUrl, env, isActive }: ToolColumns): void {
  if (env !== null) {
    refuseField(
      "env",
      "env is for servers that mcpServerCommand starts: a server at mcpServerUrl has its own " +
        "environment. Set env to null.",
    );
  }
  // One that is switched off may have an address that was allowed when it was made.
  if (mcpServerUrl === null || !isActive) return;
  const reason = checkServerUrl(config, new URL(mcpServerUrl), { resolves: true });
  if (reason !== null) refuseField("mcpServerUrl", `mcpServerUrl is not allowed: ${reason}`);
}

/** A server that the sidecar starts. */
function checkCommand(command: string, { mcpHeaders }: ToolColumns): void {
  if (mcpHeaders !== null) {
    refuseField(
      "mcpHeaders",
      "mcpHeaders are for servers at mcpServerUrl: give a server that mcpServerCommand starts " +
        "its secrets in env.",
    );
  }
  try {
    parseServerCommand(command);
  } catch (error) {
    const reason = messageOf(error);
    refuseField("mcpServerCommand", `mcpServerCommand is not allowed: ${reason}`, error);
  }
}

async function checkMcp({ config }: Pick<Platform, "config">, tool: ToolColumns): Promise<void> {
  const { mcpServerCommand, mcpServerUrl } = tool;
  if (mcpServerCommand === null && mcpServerUrl === null) {
    refuseField(
      "mcpServerCommand",
      "An mcp tool needs mcpServerCommand (npx … or uvx …) or mcpServerUrl.",
    );
  }
  if (mcpServerCommand !== null && mcpServerUrl !== null) {
    refuseField(
      "mcpServerUrl",
      "An mcp tool has either mcpServerCommand or mcpServerUrl, not both: set the other one to " +
        "null.",
    );
  }
  if (mcpServerCommand === null) checkUrl(config, tool);
  else checkCommand(mcpServerCommand, tool);
}

/** Tools of MCP servers, which the sidecar starts or which listen at a URL. */
export const mcpType: ToolType = {
  fields: ["mcpServerCommand", "mcpServerUrl", "mcpToolName", "env", "mcpHeaders"],
  timeoutMs: 60_000,
  isAtServer: true,
  // The name at the server is fixed when the tool is made: renaming the tool does not lose it.
  defaultsOf: ({ name }) => ({ mcpToolName: name }),
  check: checkMcp,
  run: runMcpTool,
};
