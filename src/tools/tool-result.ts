import type { JsonObject } from "../openai/json.ts";
import type { ToolMedia } from "../openai/tool-media.ts";

/** Largest result that a model is given, in bytes of UTF-8. */
const MAX_RESULT_BYTES = 64 * 1024;

/**
 * What a tool call gave. `text` goes to the model in any case: a failure is a result that says so.
 */
export interface ToolResult {
  text: string;
  /** Null where it went well. */
  error: string | null;
  /** Lines of `console.*`, oldest first. */
  logs: string[];
  /**
   * Images and sounds for models that take them; `text` names each. Absent where there are none.
   */
  media?: ToolMedia[];
  /** An MCP server's own result (`content`, `structuredContent`, `isError`), where it gave one. */
  raw?: JsonObject;
  /** Whether the tool was not run, because too many calls of it are: no fault of the tool's. */
  isBusy?: true;
}

/** A result that says what went wrong, so that the model can do something about it. */
export function failedResult(error: string, logs: string[] = []): ToolResult {
  return { text: cutResult(`Error: ${error}`), error: cutResult(error), logs };
}

/**
 * A text that a model can be given: cut at {@link MAX_RESULT_BYTES}, at a character's boundary,
 * with a note that the model can see, and without halves of surrogate pairs, which strict JSON
 * parsers of upstreams refuse.
 */
export function cutResult(result: string): string {
  const text = result.toWellFormed();
  // A UTF-16 unit takes at most 3 bytes, so short texts need no counting.
  if (text.length * 3 <= MAX_RESULT_BYTES) return text;
  const bytes = new TextEncoder().encode(text);
  if (bytes.byteLength <= MAX_RESULT_BYTES) return text;
  const note = `\n[cut: the result had ${bytes.byteLength} bytes, of which the first ${MAX_RESULT_BYTES} are shown]`;
  const kept = new TextDecoder()
    .decode(bytes.subarray(0, MAX_RESULT_BYTES))
    .replace(/\uFFFD+$/, "");
  return kept + note;
}
