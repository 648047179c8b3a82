/** What stands in the form of a tool, and how it becomes fields of the API. */
import type { ApiFault, Tool } from "../api-shapes.ts";
import { HttpError, type ToolFields } from "../http.ts";

export interface ToolDraft {
  type: "function" | "mcp";
  name: string;
  description: string;
  /** JSON text. */
  parameters: string;
  implementation: string;
  server: "command" | "url";
  mcpServerCommand: string;
  mcpServerUrl: string;
  mcpToolName: string;
  /** `NAME=value`, one a line. Empty: as it is. */
  env: string;
  removesEnv: boolean;
  timeoutMs: string;
  isActive: boolean;
}

const EXAMPLE = {
  parameters: {
    type: "object",
    properties: { city: { type: "string", description: "A city, for example Oslo" } },
    required: ["city"],
  },
  implementation: "// args has what the model asks for. What is returned, the model reads.\nreturn { city: args.city, degrees: 21 };",
};

/** The form of a tool as it is, or of a new one with an example in it. */
export function draftOf(tool: Tool | null): ToolDraft {
  return {
    type: tool?.type ?? "function",
    name: tool?.name ?? "",
    description: tool?.description ?? "",
    parameters: JSON.stringify(tool?.parameters ?? EXAMPLE.parameters, null, 2),
    implementation: tool === null ? EXAMPLE.implementation : (tool.implementation ?? ""),
    server: typeof tool?.mcpServerUrl === "string" ? "url" : "command",
    mcpServerCommand: tool?.mcpServerCommand ?? "",
    mcpServerUrl: tool?.mcpServerUrl ?? "",
    mcpToolName: tool?.mcpToolName ?? "",
    env: "",
    removesEnv: false,
    timeoutMs: tool?.timeoutMs?.toString() ?? "",
    isActive: tool?.isActive ?? true,
  };
}

/** A fault that the page finds itself, as the server would report it. */
function fault(param: NonNullable<ApiFault["param"]>, message: string): HttpError {
  return new HttpError(400, { param, message });
}

/** @throws HttpError at `parameters` where the text is no JSON object */
function readParameters(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    throw fault("parameters", `This is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw fault("parameters", 'This must be a JSON Schema of an object: { "type": "object", "properties": … }');
}

/** Variables, one a line; undefined where there are none. @throws HttpError at `env` for a line without a name */
export function readEnv(env: string): Record<string, string> | undefined {
  const lines = env.split("\n").filter((line) => line.trim() !== "");
  if (lines.length === 0) return undefined;
  return Object.fromEntries(
    lines.map((line) => {
      const [, name, value] = /^\s*([^=\s]+)\s*=(.*)$/.exec(line) ?? [];
      if (name === undefined || value === undefined) throw fault("env", `“${line}” is not of the form NAME=value.`);
      return [name, value];
    }),
  );
}

const orNull = (text: string): string | null => (text.trim() === "" ? null : text.trim());

/** What belongs to the type; the server empties the fields of the other one. */
function typedFields(draft: ToolDraft): ToolFields {
  if (draft.type === "function") return { implementation: draft.implementation };
  const env = draft.server === "url" || draft.removesEnv ? null : readEnv(draft.env);
  return {
    mcpServerCommand: draft.server === "command" ? orNull(draft.mcpServerCommand) : null,
    mcpServerUrl: draft.server === "url" ? orNull(draft.mcpServerUrl) : null,
    mcpToolName: orNull(draft.mcpToolName),
    ...(env === undefined ? {} : { env }),
  };
}

/** The tool as the API takes it. @throws HttpError that names the field */
export function fieldsOf(draft: ToolDraft): ToolFields {
  const { type, name, description, isActive } = draft;
  return {
    type,
    name,
    description,
    isActive,
    parameters: readParameters(draft.parameters),
    timeoutMs: draft.timeoutMs.trim() === "" ? null : Number(draft.timeoutMs),
    ...typedFields(draft),
  };
}
