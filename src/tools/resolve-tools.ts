import { ApiError } from "../openai/api-error.ts";
import type { JsonObject } from "../openai/json.ts";
import type { ResolvedTool } from "../store/resolved-key.ts";
import { functionDefinition } from "./function-definition.ts";

/** The server tools of one request. */
export interface ToolOffer {
  /** Server tools by the name that the model sees. What is not in it is the client's. */
  serverTools: Map<string, ResolvedTool>;
  /** Server tools that a client tool of the same name hides. */
  shadowed: string[];
}

/** What a request is offered that goes without tools of the proxy. */
export const NO_TOOLS: ToolOffer = { serverTools: new Map(), shadowed: [] };

/** What of a request decides which tools it is offered. */
interface OfferedRequest {
  /** Names of the client's own tools. */
  clientTools: ReadonlySet<string>;
  /** Why the tool loop leaves the request alone, or null. */
  leaveAlone: string | null;
}

function pick(tools: ResolvedTool[], header: string | null): ResolvedTool[] {
  if (header === null || header.trim() === "") return tools;
  const names = header
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  if (names.length === 1 && names[0] === "none") return [];
  const unknown = names.filter((name) => !tools.some((tool) => tool.name === name));
  if (unknown.length > 0) {
    const assigned = tools.map((tool) => tool.name).join(", ") || "none";
    throw new ApiError(
      "invalid_value",
      `x-proxy-tools names tools that this API key does not have: ${unknown.join(", ")}. It has: ${assigned}.`,
      {
        param: "x-proxy-tools",
      },
    );
  }
  return tools.filter((tool) => names.includes(tool.name));
}

/**
 * Decides which of the key's tools the model is offered, or null where the request goes through
 * untouched.
 * @param tools the key's active tools, ordered by name
 * @param header the request header `x-proxy-tools`: `none`, or a comma-separated choice
 */
export function resolveTools(
  tools: ResolvedTool[],
  request: OfferedRequest,
  header: string | null,
): ToolOffer | null {
  if (tools.length === 0) return null;
  const picked = pick(tools, header);
  if (request.leaveAlone !== null) return null;
  const [shadowed, offered] = [
    picked.filter((tool) => request.clientTools.has(tool.name)),
    picked.filter((tool) => !request.clientTools.has(tool.name)),
  ];
  if (offered.length === 0) return null;
  return {
    serverTools: new Map(offered.map((tool) => [tool.name, tool])),
    shadowed: shadowed.map((tool) => tool.name),
  };
}

/** A dialect, as far as tools know it. */
interface ToolSpeller {
  name: string;
  spellTool(definition: JsonObject): string;
}

const spellings = new WeakMap<ResolvedTool, Map<string, string>>();

/**
 * A tool as a dialect spells it, always the same, so that upstream's prompt cache keeps hitting.
 */
export function spellTool(dialect: ToolSpeller, tool: ResolvedTool): string {
  const known = spellings.get(tool) ?? new Map<string, string>();
  spellings.set(tool, known);
  const text = known.get(dialect.name) ?? dialect.spellTool(functionDefinition(tool));
  known.set(dialect.name, text);
  return text;
}
