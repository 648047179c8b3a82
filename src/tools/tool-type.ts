/** What a type of tools is: one row of `tool-types.ts`. */
import { ApiError } from "../openai/api-error.ts";
import type { JsonObject } from "../openai/json.ts";
import type { Platform } from "../platform.ts";
import type { ResolvedTool } from "../store/resolved-key.ts";
import type { ToolColumns } from "../store/tools.ts";
import type { McpProgress } from "./mcp/mcp-connection.ts";
import type { ToolResult } from "./tool-result.ts";

/** A call of a tool whose arguments have been checked. */
export interface ToolRun {
  tool: ResolvedTool;
  args: JsonObject;
  /** What is left of the call's time limit, in milliseconds. */
  timeoutMs: number;
  /** On whose behalf: the id of an API key, or `OPERATOR`. */
  owner: string;
  signal: AbortSignal;
  /** Hears that the tool's MCP server has announced other tools. */
  onToolsChanged?: () => void;
  /** Hears how far an MCP tool says it has come. */
  onProgress?: (progress: McpProgress) => void;
}

/** A column that some types of tools have and others have not. */
export type TypedField =
  | "implementation"
  | "mcpServerCommand"
  | "mcpServerUrl"
  | "mcpToolName"
  | "env"
  | "mcpHeaders";

/** All that is particular to one type of tools. */
export interface ToolType {
  /** The columns that this type has and no other. */
  fields: readonly TypedField[];
  /** Time limit of a tool that sets none, in milliseconds. */
  timeoutMs: number;
  /** Whether its tools are at a server, which may change them. */
  isAtServer: boolean;
  /** What a tool of this type gets where nothing was given. */
  defaultsOf(tool: Pick<ToolColumns, "name">): Partial<Pick<ToolColumns, TypedField>>;
  /** @throws ApiError 400 that names the field and the reason where a tool cannot be run */
  check(platform: Pick<Platform, "sandbox" | "config">, tool: ToolColumns): Promise<void>;
  /** Runs one call. Throws sentences for the model. */
  run(platform: Platform, run: ToolRun): Promise<ToolResult>;
}

/** @throws ApiError 400 that names the field */
export function refuseField(field: string, message: string, cause?: unknown): never {
  throw new ApiError("invalid_value", message, { param: field, cause });
}
