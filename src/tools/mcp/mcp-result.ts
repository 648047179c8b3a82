import { isObject, objectsOf, type JsonObject } from "../../openai/json.ts";
import { decodedSize, type ToolMedia } from "../../openai/tool-media.ts";
import { readMedia } from "./read-media.ts";
import { cutResult, failedResult, type ToolResult } from "../tool-result.ts";

/** An MCP tool result as a model reads it. */
export interface McpToolResult {
  text: string;
  /** Whether the server says that the call failed; `text` is its explanation then. */
  isError: boolean;
  /** Images and sounds that models take. Each has its placeholder in `text`. */
  media: ToolMedia[];
  /**
   * What the server sent, for those who speak MCP themselves: `content`, `structuredContent`,
   * `isError`.
   */
  raw: JsonObject;
}

/** A content block for a model. */
interface ReadBlock {
  text: string;
  media?: ToolMedia | null;
  /** Whether it says something in words, and not only what else there is. */
  hasWords?: boolean;
}

/** Reads one content block; `position` counts the result's blocks from 1. */
type Reader = (block: JsonObject, position: number) => ReadBlock;

/** Longest text of a block that nobody knows, in characters. */
const MAX_UNKNOWN = 4000;

/** Longest name of an image or a sound, in characters: it stands in two messages. */
const MAX_LABEL = 300;

/**
 * Content block types of MCP 2026-07-28. A chat tool message can hold text only, so the rest is
 * named in it, never dropped.
 */
const READERS: Record<string, Reader> = {
  text: ({ text }) => ({ text: string(text), hasWords: string(text) !== "" }),
  image: ({ mimeType, data }, position) =>
    readBytes({ kind: "image", data, mimeType, name: `image ${position}` }),
  audio: ({ mimeType, data }, position) =>
    readBytes({ kind: "audio", data, mimeType, name: `audio ${position}` }),
  resource: ({ resource }) => readResource(isObject(resource) ? resource : {}),
  resource_link: ({ name, title, uri, mimeType, description }) => {
    const link = ["resource_link", string(title) || string(name), string(uri), string(mimeType)]
      .filter((part) => part !== "")
      .join(" ");
    return { text: `[${link}${string(description) === "" ? "" : ` — ${string(description)}`}]` };
  },
};

/**
 * Turns a `CallToolResult` into text for a model: text blocks as they are, other blocks named with
 * type and size, structured content as JSON where there is no text. Blocks that are meant for the
 * user only are left out.
 */
export function readMcpResult(result: unknown): McpToolResult {
  const { content, structuredContent, isError } = isObject(result) ? result : {};
  const read = objectsOf(content)
    .map((block, index) => ({ block, position: index + 1 }))
    .filter(({ block }) => !isForUserOnly(block))
    .map(({ block, position }) => readBlock(block, position));
  // Servers should repeat structured content as text, and most do: only without text is it the
  // answer.
  if (structuredContent !== undefined && !read.some(({ hasWords }) => hasWords))
    read.push({ text: JSON.stringify(structuredContent) });
  const text = withoutControls(read.map((block) => block.text).join("\n"));
  return {
    text: text === "" ? "(no content)" : text,
    isError: isError === true,
    media: read.map(({ media }) => media ?? null).filter((media) => media !== null),
    raw: {
      content: Array.isArray(content) ? content : [],
      ...(structuredContent === undefined ? {} : { structuredContent }),
      ...(isError === true ? { isError } : {}),
    },
  };
}

/** An MCP result as that of any tool. */
export function toolResultOf({ text, isError, media, raw }: McpToolResult): ToolResult {
  const result = isError ? failedResult(text) : { text: cutResult(text), error: null, logs: [] };
  return { ...result, ...(media.length === 0 ? {} : { media }), raw };
}

function readBlock(block: JsonObject, position: number): ReadBlock {
  const { type } = block;
  const read = typeof type === "string" && Object.hasOwn(READERS, type) ? READERS[type] : undefined;
  if (read !== undefined) return read(block, position);
  const text = JSON.stringify(block);
  return {
    text:
      text.length <= MAX_UNKNOWN
        ? text
        : `${text.slice(0, MAX_UNKNOWN)}… [cut: the block had ${text.length} characters]`,
  };
}

function readBytes({
  kind,
  data,
  mimeType,
  name,
}: {
  kind: ToolMedia["kind"];
  data: unknown;
  mimeType: unknown;
  name: string;
}): ReadBlock {
  const { description, media } = readMedia(kind, data, string(mimeType));
  const label = withoutControls(`${name.slice(0, MAX_LABEL)}: ${description}`);
  return { text: `[${label}]`, media: media === null ? null : { ...media, label } };
}

function readResource({ uri, mimeType, text, blob }: JsonObject): ReadBlock {
  const name = `resource ${string(uri)}`;
  const type = string(mimeType);
  if (typeof text === "string")
    return { text: `[${name}${type === "" ? "" : ` (${type})`}]\n${text}`, hasWords: true };
  const kind = type.startsWith("image/") ? "image" : type.startsWith("audio/") ? "audio" : null;
  if (kind !== null) return readBytes({ kind, data: blob, mimeType, name });
  return { text: `[${name}${type === "" ? "" : ` (${type})`}, ${decodedSize(string(blob))}]` };
}

function isForUserOnly({ annotations }: JsonObject): boolean {
  const audience = isObject(annotations) ? annotations["audience"] : undefined;
  return Array.isArray(audience) && audience.length > 0 && !audience.includes("assistant");
}

function string(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/**
 * `ESC [ … letter` (colours, cursors), `ESC ] … BEL` (titles, links), and control characters but
 * for tab, line feed and return.
 */
const CONTROLS =
  // eslint-disable-next-line no-control-regex
  /\u001B\[[0-?]*[ -/]*[@-~]|\u001B\][^\u0007\u001B]*(?:\u0007|\u001B\\)|[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]/g;

/** They mean nothing to a model, and NUL breaks JSON parsers and Postgres. */
const withoutControls = (text: string) => text.replace(CONTROLS, "");
