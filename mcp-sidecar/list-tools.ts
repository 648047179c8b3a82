import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { ToolSchema, type Tool } from "@modelcontextprotocol/sdk/types.js";
import * as z from "zod";
import type { Log } from "./log.ts";

const MAX_PAGES = 64;
const MAX_TOOLS = 1_000;
/** Where an older list is at hand, nobody waits longer than this for a newer one. */
const PATIENCE_MS = 5_000;

const ToolPage = z.looseObject({ tools: z.array(z.unknown()), nextCursor: z.string().nullish() });

/**
 * What `tools/list` is answered with: all pages in one; `_meta` says so where it is an older list.
 */
export interface ToolList {
  [key: string]: unknown;
  tools: Tool[];
  _meta?: Record<string, unknown>;
}

/**
 * The mark of a list that is not of now, under the prefix that the protocol wants for such names.
 */
const STALE = "openai-proxy/last-known-tools";

interface Around {
  log: Log;
  /** The server as logs name it. */
  label: string;
}

/** The tools of one server, of which the last list is kept for when it cannot be asked. */
export class ToolCatalogue {
  readonly #around: Around;
  #last: Tool[] | null = null;

  constructor(around: Around) {
    this.#around = around;
  }

  /**
   * Asks for the list by `ask`; where that fails or takes too long, and there was a list, that one
   * is served.
   */
  async list(
    ask: (signal: AbortSignal) => Promise<Tool[]>,
    signal: AbortSignal,
  ): Promise<ToolList> {
    const last = this.#last;
    try {
      const tools = await ask(
        last === null ? signal : AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]),
      );
      this.#last = tools;
      return { tools };
    } catch (error) {
      if (last === null || signal.aborted) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      this.#around.log.warn(
        { server: this.#around.label, reason },
        "An MCP server cannot be asked for its tools: the last list is served",
      );
      return { tools: last, _meta: { [STALE]: reason } };
    }
  }
}

/**
 * All pages of `tools/list`. Tools are judged one by one, because SDK clients refuse a whole list
 * for one bad tool.
 */
export async function listTools(
  client: Client,
  { log, label, signal, timeout }: Around & { signal: AbortSignal; timeout: number },
): Promise<Tool[]> {
  const tools = new Map<string, Tool>();
  const leaveOut = (tool: unknown, why: string) =>
    log.warn(
      { server: label, tool: JSON.stringify(tool).slice(0, 200) },
      `A tool of an MCP server is left out: ${why}`,
    );
  let cursor: string | null | undefined;
  for (let page = 0; page < MAX_PAGES && tools.size < MAX_TOOLS; page += 1) {
    const params = typeof cursor === "string" ? { cursor } : {};
    const answer = await client.request({ method: "tools/list", params }, ToolPage, {
      signal,
      timeout,
    });
    for (const tool of answer.tools) {
      const readable = makeReadable(tool);
      if (readable === null) leaveOut(tool, "it cannot be read");
      else if (tools.has(readable.name)) leaveOut(tool, "there is another one of its name");
      // A plain call of such a tool fails, and its task would outlive the call that we could
      // cancel.
      else if (readable.execution?.taskSupport === "required")
        leaveOut(tool, "it runs as a task only");
      else tools.set(readable.name, readable);
    }
    cursor = answer.nextCursor;
    if (typeof cursor !== "string" || cursor === "") return [...tools.values()].slice(0, MAX_TOOLS);
  }
  log.warn(
    { server: label, tools: tools.size },
    "An MCP server lists more tools, or more pages of them, than are read",
  );
  return [...tools.values()].slice(0, MAX_TOOLS);
}

/**
 * The tool as it came where the SDK can read it; else what can be saved: its name, its text and its
 * arguments.
 */
function makeReadable(tool: unknown): Tool | null {
  if (ToolSchema.safeParse(tool).success) return tool as Tool;
  if (typeof tool !== "object" || tool === null || !("name" in tool)) return null;
  const { name, description, inputSchema } = tool as {
    name: unknown;
    description?: unknown;
    inputSchema?: unknown;
  };
  const schema =
    typeof inputSchema === "object" && inputSchema !== null && !Array.isArray(inputSchema)
      ? inputSchema
      : {};
  const saved = ToolSchema.safeParse({
    name,
    ...(typeof description === "string" && { description }),
    inputSchema: { ...schema, type: "object" },
  });
  return saved.success ? saved.data : null;
}
