/** Where tools are looked for, and how those that are found become tools of ours. */
import type { FoundServer, FoundTool } from "../api-shapes.ts";
import { isObject } from "../conversations/read-record.ts";
import { actions, HttpError, type DiscoverySource, type ToolFields } from "../http.ts";
import { readEnv } from "./tool-draft.ts";

type SourceKind = "command" | "url" | "json";

/** What stands in the form. */
export interface SourceDraft {
  kind: SourceKind;
  command: string;
  /** `NAME=value`, one a line. */
  env: string;
  url: string;
  json: string;
}

/** Pasted settings: with or without the member `mcpServers` around them. @throws HttpError at `mcpServers` */
function readServers(text: string): Record<string, unknown> {
  const fault = (message: string) => new HttpError(400, { param: "mcpServers", message });
  try {
    const value: unknown = JSON.parse(text);
    const servers = isObject(value) && isObject(value["mcpServers"]) ? value["mcpServers"] : value;
    if (isObject(servers)) return servers;
  } catch (error) {
    throw fault(`This is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw fault('This must look like { "mcpServers": { "name": { "command": "npx", "args": [] } } }');
}

/** The form as a question to the server. @throws HttpError that names the field */
export function sourceOf(draft: SourceDraft): DiscoverySource {
  if (draft.kind === "url") return { mcpServerUrl: draft.url.trim() };
  if (draft.kind === "json") return { mcpServers: readServers(draft.json) };
  const env = readEnv(draft.env);
  return { mcpServerCommand: draft.command.trim(), ...(env === undefined ? {} : { env }) };
}

/** A server that was asked, and what its tools need to be stored. */
export interface AskedServer extends FoundServer {
  env: Record<string, string> | undefined;
}

function envOf(source: DiscoverySource, name: string): Record<string, string> | undefined {
  if ("mcpServerCommand" in source) return source.env;
  if (!("mcpServers" in source)) return undefined;
  const server = source.mcpServers[name];
  return isObject(server) && isObject(server["env"]) ? (server["env"] as Record<string, string>) : undefined;
}

/** Asks the servers of a source for their tools. @throws HttpError */
export async function ask(source: DiscoverySource): Promise<AskedServer[]> {
  const { tools, servers } = await actions.discover(source);
  if (servers !== undefined) return servers.map((server) => ({ ...server, env: envOf(source, server.name) }));
  const name = "mcpServerCommand" in source ? source.mcpServerCommand : "mcpServerUrl" in source ? source.mcpServerUrl : "";
  const { mcpServers: _none, env: _env, ...where } = { mcpServers: undefined, env: undefined, ...source };
  return [{ name, ...where, tools: tools ?? [], env: envOf(source, name) }];
}

/** Letters that a tool's name here cannot have. */
const asName = (text: string) => text.replaceAll(/[^\w-]/g, "_").slice(0, 64);

/** What a found tool is called here. */
export const nameFor = (prefix: string, tool: FoundTool): string => asName(prefix + tool.name);

/** A found tool as the API takes it. */
export function toolFieldsOf(server: AskedServer, tool: FoundTool, name: string): ToolFields {
  const { mcpServerCommand, mcpServerUrl, env } = server;
  return {
    type: "mcp",
    name,
    description: tool.description,
    parameters: tool.parameters,
    mcpToolName: tool.name,
    ...(mcpServerCommand === undefined ? {} : { mcpServerCommand, ...(env === undefined ? {} : { env }) }),
    ...(mcpServerUrl === undefined ? {} : { mcpServerUrl }),
  };
}
