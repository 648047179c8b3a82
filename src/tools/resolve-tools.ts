import { ApiError } from "../openai/api-error.ts";
import type { ChatRequest } from "../openai/chat-request.ts";
import type { ResolvedTool } from "../store/resolved-key.ts";
import { functionDefinition } from "./function-definition.ts";

/** The server tools of one request, and who owns which name. */
export interface ToolOffer {
  /** Server tools by the name that the model sees. What is not in it is the client's. */
  owners: Map<string, ResolvedTool>;
  /** Server tools that a client tool of the same name hides. */
  shadowed: string[];
}

/** Why the loop leaves a request alone: each row is a promise of the behaviour page. */
const REASONS_TO_LEAVE_ALONE: ((request: ChatRequest) => boolean)[] = [
  (request) => request.toolChoice === "none",
  // Several answers would each need a loop of their own.
  (request) => request.n > 1,
  (request) => request.usesFunctions,
];

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
  request: ChatRequest,
  header: string | null,
): ToolOffer | null {
  const picked = pick(tools, header);
  if (REASONS_TO_LEAVE_ALONE.some((applies) => applies(request))) return null;
  const [shadowed, offered] = [
    picked.filter((tool) => request.clientTools.has(tool.name)),
    picked.filter((tool) => !request.clientTools.has(tool.name)),
  ];
  if (offered.length === 0) return null;
  return {
    owners: new Map(offered.map((tool) => [tool.name, tool])),
    shadowed: shadowed.map((tool) => tool.name),
  };
}

const spellings = new WeakMap<ResolvedTool, string>();

/**
 * A tool in the format of chat completions, always spelled the same, so that upstream's prompt
 * cache keeps hitting.
 */
export function spellTool(tool: ResolvedTool): string {
  const known = spellings.get(tool);
  if (known !== undefined) return known;
  const text = JSON.stringify({ type: "function", function: functionDefinition(tool) });
  spellings.set(tool, text);
  return text;
}
