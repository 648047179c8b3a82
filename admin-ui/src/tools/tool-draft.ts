/** What stands in the form of a tool, and how it becomes fields of the API. */
import type { ApiFault, Tool } from "../api-shapes.ts";
import { HttpError, type ToolFields } from "../http.ts";
import { headersField, type HeaderRow, type StoredHeaders } from "./headers-draft.ts";

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
  headers: HeaderRow[];
  /** What becomes of the headers that are stored; null where none are. */
  storedHeaders: StoredHeaders | null;
  mcpIsolation: Tool["mcpIsolation"];
  onMcpChange: Tool["onMcpChange"];
  timeoutMs: string;
  /** Empty: no limit. */
  maxConcurrency: string;
  isActive: boolean;
}

const EXAMPLE = {
  parameters: {
    type: "object",
    properties: { city: { type: "string", description: "A city, for example Oslo" } },
    required: ["city"],
  },
  implementation:
    "// args has what the model asks for. What is returned, the model reads.\nreturn { city: args.city, degrees: 21 };",
};

/** Whether headers are stored, readable or not. */
const hasHeaders = ({ mcpHeaderNames }: Tool) =>
  mcpHeaderNames === null || mcpHeaderNames.length > 0;

/** The parts of a form that hold secrets: empty, because what is stored is not shown. */
export function secretsOf(
  tool: Tool | null,
): Pick<ToolDraft, "env" | "removesEnv" | "headers" | "storedHeaders"> {
  return {
    env: "",
    removesEnv: false,
    headers: [],
    storedHeaders: tool !== null && hasHeaders(tool) ? "keep" : null,
  };
}

/** What a model is told, as it stands in the form. */
export const describedOf = ({
  description,
  parameters,
}: Pick<Tool, "description" | "parameters">) => ({
  description,
  parameters: JSON.stringify(parameters, null, 2),
});

/** The form of a tool as it is, or of a new one with an example in it. */
export function draftOf(tool: Tool | null): ToolDraft {
  return {
    type: tool?.type ?? "function",
    name: tool?.name ?? "",
    ...describedOf({
      description: tool?.description ?? "",
      parameters: tool?.parameters ?? EXAMPLE.parameters,
    }),
    implementation: tool === null ? EXAMPLE.implementation : (tool.implementation ?? ""),
    server: typeof tool?.mcpServerUrl === "string" ? "url" : "command",
    mcpServerCommand: tool?.mcpServerCommand ?? "",
    mcpServerUrl: tool?.mcpServerUrl ?? "",
    mcpToolName: tool?.mcpToolName ?? "",
    ...secretsOf(tool),
    mcpIsolation: tool?.mcpIsolation ?? "key",
    onMcpChange: tool?.onMcpChange ?? "keep",
    maxConcurrency: tool?.maxConcurrency?.toString() ?? "",
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
    throw fault(
      "parameters",
      `This is not JSON: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  throw fault(
    "parameters",
    'This must be a JSON Schema of an object: { "type": "object", "properties": … }',
  );
}

/**
 * Variables, one a line; undefined where there are none.
 * @throws HttpError at `env` for a line without a name
 */
export function readEnv(env: string): Record<string, string> | undefined {
  const lines = env.split("\n").filter((line) => line.trim() !== "");
  if (lines.length === 0) return undefined;
  return Object.fromEntries(
    lines.map((line) => {
      const [, name, value] = /^\s*([^=\s]+)\s*=(.*)$/.exec(line) ?? [];
      if (name === undefined || value === undefined)
        throw fault("env", `“${line}” is not of the form NAME=value.`);
      return [name, value];
    }),
  );
}

const numberOrNull = (text: string): number | null => (text.trim() === "" ? null : Number(text));
const orNull = (text: string): string | null => (text.trim() === "" ? null : text.trim());

/** What belongs to the type; the server empties the fields of the other one. */
function typedFields(draft: ToolDraft): ToolFields {
  if (draft.type === "function") return { implementation: draft.implementation };
  const env = draft.server === "url" || draft.removesEnv ? null : readEnv(draft.env);
  const mcpHeaders =
    draft.server === "command" ? null : headersField(draft.headers, draft.storedHeaders);
  return {
    mcpServerCommand: draft.server === "command" ? orNull(draft.mcpServerCommand) : null,
    mcpServerUrl: draft.server === "url" ? orNull(draft.mcpServerUrl) : null,
    mcpToolName: orNull(draft.mcpToolName),
    ...(env === undefined ? {} : { env }),
    ...(mcpHeaders === undefined ? {} : { mcpHeaders }),
    mcpIsolation: draft.mcpIsolation,
    onMcpChange: draft.onMcpChange,
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
    timeoutMs: numberOrNull(draft.timeoutMs),
    maxConcurrency: numberOrNull(draft.maxConcurrency),
    ...typedFields(draft),
  };
}
