/** Where tools are looked for, and how those that are found become tools of ours. */
import type { FoundServer, FoundTool } from "../api-shapes.ts";
import { isObject } from "../conversations/read-record.ts";
import { actions, HttpError, type DiscoverySource, type ToolFields } from "../http.ts";
import { readHeaders, type HeaderRow } from "./headers-draft.ts";
import { readEnv } from "./tool-draft.ts";

type SourceKind = "command" | "url" | "json";

/** What stands in the form. */
export interface SourceDraft {
  kind: SourceKind;
  command: string;
  /** `NAME=value`, one a line. */
  env: string;
  url: string;
  /** Of the server at the URL. */
  headers: HeaderRow[];
  json: string;
}

/**
 * Pasted settings: the servers alone, or as a member `mcpServers` (most clients) or `servers` (VS
 * Code).
 * @throws HttpError at `mcpServers`
 */
function readServers(text: string): Record<string, unknown> {
  const fault = (message: string) => new HttpError(400, { param: "mcpServers", message });
  try {
    const value: unknown = JSON.parse(text);
    const settings = isObject(value) ? value : {};
    const servers = [settings["mcpServers"], settings["servers"], value].find(isObject);
    if (servers !== undefined) return servers;
  } catch (error) {
    throw fault(`This is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw fault('This must look like { "mcpServers": { "name": { "command": "npx", "args": [] } } }');
}

/** The form as a question to the server. @throws HttpError that names the field */
export function sourceOf(draft: SourceDraft): DiscoverySource {
  if (draft.kind === "url") {
    const mcpHeaders = readHeaders(draft.headers);
    return { mcpServerUrl: draft.url.trim(), ...(mcpHeaders === undefined ? {} : { mcpHeaders }) };
  }
  if (draft.kind === "json") return { mcpServers: readServers(draft.json) };
  const env = readEnv(draft.env);
  return { mcpServerCommand: draft.command.trim(), ...(env === undefined ? {} : { env }) };
}

/** What the server of a tool is given, and its tools need to be stored: never shown again. */
interface Secrets {
  env?: Record<string, string>;
  mcpHeaders?: Record<string, string>;
}

/** A server that was asked. */
export interface AskedServer extends FoundServer {
  secrets: Secrets;
}

const textsOf = (value: unknown) =>
  isObject(value) ? (value as Record<string, string>) : undefined;

/** What stands beside a server of pasted settings. */
function pastedSecrets(
  servers: Record<string, unknown>,
  { name, mcpServerUrl }: FoundServer,
): Secrets {
  const server = isObject(servers[name]) ? servers[name] : {};
  const [env, mcpHeaders] = [textsOf(server["env"]), textsOf(server["headers"])];
  if (mcpServerUrl !== undefined) return mcpHeaders === undefined ? {} : { mcpHeaders };
  return env === undefined ? {} : { env };
}

/** Asks the servers of a source for their tools. @throws HttpError */
export async function ask(source: DiscoverySource): Promise<AskedServer[]> {
  const { tools = [], servers = [] } = await actions.discover(source);
  if ("mcpServers" in source)
    return servers.map((server) => ({
      ...server,
      secrets: pastedSecrets(source.mcpServers, server),
    }));
  if ("mcpServerUrl" in source) {
    const { mcpServerUrl, ...secrets } = source;
    return [{ name: mcpServerUrl, mcpServerUrl, tools, secrets }];
  }
  const { mcpServerCommand, ...secrets } = source;
  return [{ name: mcpServerCommand, mcpServerCommand, tools, secrets }];
}

/** Letters that a tool's name here cannot have. */
const asName = (text: string) => text.replaceAll(/[^\w-]/g, "_").slice(0, 64);

/** How found tools are named here. */
export interface Naming {
  /** With their server's name, or as they are called there. */
  by: "server" | "tool";
  /** Stands before each name. */
  prefix: string;
}

/** What a found tool is called here. */
export const nameFor = ({ by, prefix }: Naming, tool: FoundTool): string =>
  asName(prefix + (by === "server" ? tool.suggestedName : tool.name));

/** A found tool as the API takes it. */
export function toolFieldsOf(server: AskedServer, tool: FoundTool, name: string): ToolFields {
  const { mcpServerCommand, mcpServerUrl, secrets } = server;
  return {
    type: "mcp",
    name,
    description: tool.description,
    parameters: tool.parameters,
    mcpToolName: tool.name,
    ...(mcpServerCommand === undefined ? {} : { mcpServerCommand }),
    ...(mcpServerUrl === undefined ? {} : { mcpServerUrl }),
    ...secrets,
  };
}
