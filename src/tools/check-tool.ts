import { ApiError } from "../openai/api-error.ts";
import { parseJson } from "../openai/json.ts";
import type { Platform } from "../platform.ts";
import type { ToolColumns } from "../store/tools.ts";
import { checkServerUrl } from "./address-policy.ts";
import { checkParameters } from "./check-parameters.ts";
import { parseServerCommand } from "./server-command.ts";
import { messageOf } from "../openai/error-message.ts";

type TypedField =
  | "implementation"
  | "mcpServerCommand"
  | "mcpServerUrl"
  | "mcpToolName"
  | "env"
  | "mcpHeaders";

/** The fields that belong to one type of tool only. */
const FIELDS_OF_TYPE: Record<ToolColumns["type"], TypedField[]> = {
  function: ["implementation"],
  mcp: ["mcpServerCommand", "mcpServerUrl", "mcpToolName", "env", "mcpHeaders"],
};

const OTHER_TYPE = { function: "mcp", mcp: "function" } as const;

/**
 * Nothing in the fields that a tool of this type cannot have: for a tool that becomes another type.
 */
export function withoutOtherType(type: ToolColumns["type"]): Partial<Record<TypedField, null>> {
  return Object.fromEntries(FIELDS_OF_TYPE[OTHER_TYPE[type]].map((field) => [field, null]));
}

function refuse(param: string, message: string, cause?: unknown): never {
  throw new ApiError("invalid_value", message, { param, cause });
}

async function checkFunction(
  { sandbox }: Pick<Platform, "sandbox">,
  { implementation }: ToolColumns,
): Promise<void> {
  if (implementation === null || implementation.trim() === "") {
    refuse(
      "implementation",
      "implementation is missing: a function tool needs the body of a JavaScript function of args.",
    );
  }
  const fault = await sandbox.check(implementation);
  if (fault !== null) refuse("implementation", `implementation does not parse: ${fault}`);
}

function checkMcp(
  { config }: Pick<Platform, "config">,
  { mcpServerCommand, mcpServerUrl, env, mcpHeaders, isActive }: ToolColumns,
): void {
  if (mcpServerCommand === null && mcpServerUrl === null) {
    refuse(
      "mcpServerCommand",
      "An mcp tool needs mcpServerCommand (npx … or uvx …) or mcpServerUrl.",
    );
  }
  if (mcpServerCommand !== null && mcpServerUrl !== null) {
    refuse(
      "mcpServerUrl",
      "An mcp tool has either mcpServerCommand or mcpServerUrl, not both: set the other one to null.",
    );
  }
  if (mcpServerCommand === null) {
    if (env !== null)
      refuse(
        "env",
        "env is for servers that mcpServerCommand starts: a server at mcpServerUrl has its own environment. Set env to null.",
      );
    // One that is switched off may have an address that was allowed when it was made.
    const reason =
      mcpServerUrl === null || !isActive
        ? null
        : checkServerUrl(config, new URL(mcpServerUrl), { resolves: true });
    if (reason !== null) refuse("mcpServerUrl", `mcpServerUrl is not allowed: ${reason}`);
    return;
  }
  if (mcpHeaders !== null)
    refuse(
      "mcpHeaders",
      "mcpHeaders are for servers at mcpServerUrl: give a server that mcpServerCommand starts its secrets in env.",
    );
  try {
    parseServerCommand(mcpServerCommand);
  } catch (error) {
    refuse("mcpServerCommand", `mcpServerCommand is not allowed: ${messageOf(error)}`, error);
  }
}

/**
 * Whether a tool, as it would be stored, can be offered to a model and run.
 * @throws ApiError 400 that names the field and the reason
 */
export async function checkTool(
  platform: Pick<Platform, "sandbox" | "config">,
  tool: ToolColumns,
): Promise<void> {
  const fault = checkParameters(parseJson(tool.parameters));
  if (fault !== null) refuse("parameters", fault);
  const foreign = FIELDS_OF_TYPE[OTHER_TYPE[tool.type]].find((field) => tool[field] !== null);
  if (foreign !== undefined)
    refuse(
      foreign,
      `${foreign} belongs to tools of type "${OTHER_TYPE[tool.type]}": this one has type "${tool.type}".`,
    );
  await (tool.type === "function" ? checkFunction(platform, tool) : checkMcp(platform, tool));
}
