import { isObject, type JsonObject } from "../../openai/json.ts";
import { maskOfTarget } from "./mask-target.ts";
import { attemptAtServer } from "./mcp-attempt.ts";
import { McpFailure, METHOD_NOT_FOUND } from "./mcp-failure.ts";
import { labelTarget, ReadableFailure, type McpPlatform, type McpTarget } from "./mcp-target.ts";
import { readMcpResult, type McpToolResult } from "./mcp-result.ts";
import type { McpProgress, McpConnection } from "./mcp-connection.ts";

export type { McpPlatform, McpTarget } from "./mcp-target.ts";

/** A tool as its server describes it. */
export interface McpToolDescription {
  name: string;
  description: string;
  /** JSON Schema of the arguments object. */
  inputSchema: Record<string, unknown>;
}

interface Limits {
  target: McpTarget;
  /** Cancels the call at the server too. */
  signal: AbortSignal;
  /**
   * For everything, the start of the server included, in milliseconds. A server that reports
   * progress has it anew each time.
   */
  timeoutMs: number;
  /** Called when the server says, while it is asked, that its tools have changed. */
  onToolsChanged?: () => void;
}

/**
 * However much progress a server reports, a call that takes longer than this is given up, unless
 * its own limit is longer.
 */
const TOTAL_LIMIT_MS = 10 * 60_000;
/** The sidecar's mark of a list that is not of now: why the server could not be asked. */
const LAST_KNOWN = "openai-proxy/last-known-tools";
const MAX_PAGES = 64;
const MAX_TOOLS = 1_000;

/**
 * Calls one tool of an MCP server.
 * @param call `onProgress`: hears how far the server says it has come
 * @throws Error with a sentence for the model and the operator, when the server cannot be reached
 * or started, answers with a protocol error, or takes too long; what the tool itself reports as
 * failed is a result with `isError`
 */
export async function callMcpTool(
  platform: McpPlatform,
  call: Limits & {
    toolName: string;
    args: Record<string, unknown>;
    onProgress?: (progress: McpProgress) => void;
  },
): Promise<McpToolResult> {
  const { toolName: name, args, onProgress } = call;
  const mask = maskOfTarget(call.target);
  const result = await run(
    platform,
    { ...call, what: `The tool ${name}` },
    (connection, { progressed, ...limits }) =>
      connection.callTool(
        { name, args },
        {
          ...limits,
          onProgress: (progress) => {
            progressed();
            onProgress?.(mask.json(progress));
          },
        },
      ),
  );
  return readMcpResult(mask.json(result));
}

/**
 * Lists the tools of an MCP server, in the server's order. What no model could call is left out:
 * tools without a name, and those that run as tasks only. A server that has no tools at all has an
 * empty list.
 * @param limits `mustBeOfNow`: whether the last list that the sidecar knows of a server that fails
 * is no answer
 * @throws Error as {@link callMcpTool} does
 */
export async function listMcpTools(
  platform: McpPlatform,
  limits: Limits & { mustBeOfNow?: boolean },
): Promise<McpToolDescription[]> {
  const { mustBeOfNow = false } = limits;
  const tools = await run(
    platform,
    { ...limits, what: "The list of tools" },
    async (connection, bounds) => {
      try {
        return await allPages(connection, { ...bounds, mustBeOfNow });
      } catch (error) {
        if (error instanceof McpFailure && error.code === METHOD_NOT_FOUND) return [];
        throw error;
      }
    },
  );
  return maskOfTarget(limits.target).json(tools);
}

async function allPages(
  connection: McpConnection,
  { mustBeOfNow, ...bounds }: Bounds & { mustBeOfNow: boolean },
): Promise<McpToolDescription[]> {
  const tools: McpToolDescription[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < MAX_PAGES && tools.length < MAX_TOOLS; page += 1) {
    const answer: JsonObject = await connection.listTools(cursor, bounds);
    const { tools: found, nextCursor, _meta: meta } = answer;
    const stale = isObject(meta) ? meta[LAST_KNOWN] : undefined;
    if (mustBeOfNow && typeof stale === "string") throw new ReadableFailure(stale);
    for (const tool of Array.isArray(found) ? (found as unknown[]) : [])
      tools.push(...described(tool));
    if (typeof nextCursor !== "string" || nextCursor === "" || nextCursor === cursor) break;
    cursor = nextCursor;
  }
  return tools.slice(0, MAX_TOOLS);
}

/** Tool by tool, so that a malformed one hides no other. */
function described(tool: unknown): McpToolDescription[] {
  if (!isObject(tool) || typeof tool["name"] !== "string" || tool["name"] === "") return [];
  const { name, description, inputSchema, execution } = tool;
  if (isObject(execution) && execution["taskSupport"] === "required") return [];
  return [
    {
      name,
      description: typeof description === "string" ? description : "",
      inputSchema: isObject(inputSchema) ? inputSchema : { type: "object" },
    },
  ];
}

interface Bounds {
  signal: AbortSignal;
  timeoutMs: number;
  /** The server is still at it. */
  progressed(): void;
}

type Work<T> = (connection: McpConnection, bounds: Bounds) => Promise<T>;

/** Runs `work` at the server within the limits. */
async function run<T>(
  platform: McpPlatform,
  call: Limits & { what: string },
  work: Work<T>,
): Promise<T> {
  const label = labelTarget(call.target);
  const what = `${call.what} of the MCP server ${label}`;
  const limit = new AbortController();
  const cancel = () =>
    limit.abort(
      call.signal.reason instanceof Error
        ? call.signal.reason
        : new Error(`${what} was cancelled.`),
    );
  const totalMs = Math.max(TOTAL_LIMIT_MS, call.timeoutMs);
  const endsAt = performance.now() + totalMs;
  const giveUpAfter = (ms: number) =>
    setTimeout(() => {
      const limitMs = performance.now() < endsAt ? call.timeoutMs : totalMs;
      limit.abort(new Error(`${what} took longer than ${limitMs / 1_000} s and was cancelled.`));
    }, ms);
  let timer = giveUpAfter(call.timeoutMs);
  const progressed = () => {
    clearTimeout(timer);
    timer = giveUpAfter(Math.min(call.timeoutMs, Math.max(0, endsAt - performance.now())));
  };
  if (call.signal.aborted) cancel();
  call.signal.addEventListener("abort", cancel);
  const { target, onToolsChanged } = call;
  const { signal } = limit;
  try {
    // The last word on time is ours: the SDK's own limit is never reached.
    const bounds = { signal, timeoutMs: totalMs + 1_000, progressed };
    return await attemptAtServer(platform, {
      target,
      signal,
      onToolsChanged,
      work: (connection) => work(connection, bounds),
    });
  } finally {
    clearTimeout(timer);
    call.signal.removeEventListener("abort", cancel);
  }
}
