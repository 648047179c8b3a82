import type { ToolColumns } from "../store/tools.ts";
import { functionType } from "./functions/function-type.ts";
import { mcpType } from "./mcp/mcp-type.ts";
import type { ToolType } from "./tool-type.ts";

/** Every type of tools, one row each: its columns, checks, runner and time limit. */
export const TOOL_TYPES: Record<ToolColumns["type"], ToolType> = {
  function: functionType,
  mcp: mcpType,
};

/** Their names, as a tool's `type` has them. */
export const TOOL_TYPE_NAMES = Object.keys(TOOL_TYPES) as ToolColumns["type"][];
