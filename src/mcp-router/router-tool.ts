/**
 * A tool as the router offers it: plain JSON, so that nothing but `router-server.ts` and
 * `serve-mcp.ts` knows the SDK.
 */
import type { AuthenticatedKey } from "../auth/authenticate.ts";
import type { JsonObject } from "../openai/json.ts";
import type { RequestScope } from "../platform.ts";

/**
 * Asks this proxy itself, over the routes that HTTP clients use: their limits, allowed models and
 * records hold here too.
 */
export type AskProxy = (call: {
  method: "GET" | "POST";
  path: string;
  headers: Record<string, string>;
  body?: JsonObject;
  signal: AbortSignal;
}) => Promise<Response>;

/** Whose request is served, and what it is served with. */
export interface RouterCaller {
  scope: RequestScope;
  key: AuthenticatedKey;
  askProxy: AskProxy;
}

/** One call of a tool. */
export interface RouterCall {
  args: JsonObject;
  /** Fires when the client has cancelled the call, or has gone. */
  signal: AbortSignal;
  /** Tells the client how far the call is; null where it did not ask for that. */
  progress: ((step: ProgressStep) => Promise<void>) | null;
}

/** As MCP's `notifications/progress` has it. `progress` grows. */
export interface ProgressStep {
  progress: number;
  total?: number | undefined;
  message?: string | undefined;
}

/** What a call gives: MCP's `CallToolResult`. */
export interface RouterResult {
  content: (JsonObject & { type: string })[];
  structuredContent?: JsonObject;
  isError?: boolean;
  _meta?: JsonObject;
}

/** One row of `tools/list`, and how it runs. */
export interface RouterTool {
  name: string;
  title?: string;
  description: string;
  inputSchema: JsonObject;
  outputSchema?: JsonObject;
  annotations?: JsonObject;
  /**
   * Whether it looks at its arguments itself; those of any other are checked against its schema.
   */
  checksArguments?: true;
  run(caller: RouterCaller, call: RouterCall): Promise<RouterResult>;
}

/** The texts in a result's content. */
export const textsIn = (content: RouterResult["content"]): string[] =>
  content.flatMap((block) =>
    block.type === "text" && typeof block.text === "string" ? [block.text] : [],
  );

/** A text as a result's content. */
export const textContent = (text: string): RouterResult["content"] => [{ type: "text", text }];
