import { isObject, objectsOf, type JsonObject } from "../openai/json.ts";

/** An MCP tool result as a model reads it. */
export interface McpToolResult {
  text: string;
  /** Whether the server says that the call failed; `text` is its explanation then. */
  isError: boolean;
}

/** One content block as text; `position` counts the result's blocks from 1. */
type Reader = (block: JsonObject, position: number) => string;

/** Content block types of MCP 2025-11-25. A chat tool message can hold text only, so the rest is named, never dropped. */
const READERS: Record<string, Reader> = {
  text: ({ text }) => string(text),
  image: ({ mimeType, data }, position) => `[image ${position}: ${string(mimeType) || "unknown type"}, ${size(data)}]`,
  audio: ({ mimeType, data }, position) => `[audio ${position}: ${string(mimeType) || "unknown type"}, ${size(data)}]`,
  resource: ({ resource }) => readResource(isObject(resource) ? resource : {}),
  resource_link: ({ name, title, uri, mimeType, description }) => {
    const link = ["resource_link", string(title) || string(name), string(uri), string(mimeType)].filter((part) => part !== "").join(" ");
    return `[${link}${string(description) === "" ? "" : ` — ${string(description)}`}]`;
  },
};

/**
 * Turns a `CallToolResult` into text for a model: text blocks as they are, other blocks named with type and size, structured
 * content as JSON where there is no content. Blocks that are meant for the user only are left out.
 */
export function readMcpResult(result: unknown): McpToolResult {
  const { content, structuredContent, isError } = isObject(result) ? result : {};
  const blocks = objectsOf(content);
  const lines = blocks
    .map((block, index) => ({ block, position: index + 1 }))
    .filter(({ block }) => !isForUserOnly(block))
    .map(({ block, position }) => {
      const read = typeof block["type"] === "string" && Object.hasOwn(READERS, block["type"]) ? READERS[block["type"]] : undefined;
      return read ? read(block, position) : JSON.stringify(block);
    });
  // Servers should repeat structured content as text, and most do: only without content is it the answer.
  if (blocks.length === 0 && structuredContent !== undefined) lines.push(JSON.stringify(structuredContent));
  const text = withoutControls(lines.join("\n"));
  return { text: text === "" ? "(no content)" : text, isError: isError === true };
}

function readResource({ uri, mimeType, text, blob }: JsonObject): string {
  const name = `${string(uri)}${string(mimeType) === "" ? "" : ` (${string(mimeType)})`}`;
  if (typeof text === "string") return `[resource ${name}]\n${text}`;
  return `[resource ${name}, ${size(blob)}]`;
}

function isForUserOnly({ annotations }: JsonObject): boolean {
  const audience = isObject(annotations) ? annotations["audience"] : undefined;
  return Array.isArray(audience) && audience.length > 0 && !audience.includes("assistant");
}

function string(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The size that base64 text has when decoded. */
function size(base64: unknown): string {
  const bytes = Math.floor((string(base64).replace(/=+$/, "").length * 3) / 4);
  if (bytes < 1_000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** Terminal colours and other control characters mean nothing to a model, and NUL breaks JSON parsers and Postgres. */
function withoutControls(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/\u001B\[[0-9;]*[A-Za-z]|[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F]/g, "");
}
