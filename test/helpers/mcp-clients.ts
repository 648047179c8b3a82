/** The router's clients, as their users start them: both SDKs, over real HTTP. */
import {
  Client,
  StreamableHTTPClientTransport,
  type VersionNegotiationMode,
} from "@modelcontextprotocol/client";
import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { onTestFinished } from "vitest";
import { proxy } from "./proxy.ts";

const INFO = { name: "a client for tests", version: "1.0.0" };

/** What a result says, whichever client read it. */
export interface SeenResult {
  content: { type: string; text?: string }[];
  structuredContent?: Record<string, unknown>;
  isError?: boolean;
}

interface CallOptions {
  signal?: AbortSignal;
  onprogress?: (progress: { progress: number; message?: string | undefined }) => void;
}

/** A connected client. */
export interface RouterClient {
  tools(): Promise<
    {
      name: string;
      inputSchema: unknown;
      outputSchema?: unknown;
      description?: string | undefined;
    }[]
  >;
  call(name: string, args: Record<string, unknown>, options?: CallOptions): Promise<SeenResult>;
}

const mcpUrl = () => new URL(`${proxy.url}/mcp`);
const withKey = (key: string) => ({ requestInit: { headers: { authorization: `Bearer ${key}` } } });

/** The SDK of the maintenance line: 2025-11-25 and older. */
async function connectOld(key: string): Promise<RouterClient> {
  const client = new OldClient(INFO);
  await client.connect(new OldTransport(mcpUrl(), withKey(key)));
  onTestFinished(() => client.close());
  return {
    tools: async () => (await client.listTools()).tools,
    call: async (name, args, options = {}) =>
      (await client.callTool(
        { name, arguments: args },
        undefined,
        options,
      )) as unknown as SeenResult,
  };
}

/** The current SDK, in either era. */
async function connectNew(key: string, mode: VersionNegotiationMode): Promise<RouterClient> {
  const client = new Client(INFO, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(mcpUrl(), withKey(key)));
  onTestFinished(() => client.close());
  return {
    tools: async () => (await client.listTools()).tools,
    call: async (name, args, options = {}) =>
      (await client.callTool({ name, arguments: args }, options)) as unknown as SeenResult,
  };
}

/** Each client that is promised to work. */
export const CLIENTS: [string, (key: string) => Promise<RouterClient>][] = [
  ["SDK 1", connectOld],
  ["SDK 2, by initialize", (key) => connectNew(key, "legacy")],
  ["SDK 2, 2026-07-28", (key) => connectNew(key, { pin: "2026-07-28" })],
  ["SDK 2, which finds out", (key) => connectNew(key, "auto")],
];

/** A schema with what careless gateways lose on the way. */
const ADD_SCHEMA = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  properties: {
    a: { $ref: "#/$defs/number" },
    b: { $ref: "#/$defs/number", description: "The second number" },
  },
  required: ["a", "b"],
  additionalProperties: false,
  $defs: { number: { type: "number", minimum: -1e9 } },
};

/** The tool `add`, as an operator writes it; `name` is the start of a name of its own. */
export const ADD = {
  name: "add",
  type: "function",
  description: "Adds two numbers",
  parameters: ADD_SCHEMA,
  implementation: "return args.a + args.b;",
};
