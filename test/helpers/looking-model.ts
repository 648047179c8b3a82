/** A conversation whose model looks at what a tool shows. */
import { expect } from "vitest";
import { mcpTool, PNG, WAV, type McpAnswer } from "./media-server.ts";
import { specFaults } from "./openai-spec.ts";
import { proxy } from "./proxy.ts";
import {
  completion,
  sentMessages,
  startUpstream,
  toolCall,
  type Answer,
  type ScriptedUpstream,
} from "./upstream.ts";

type Json = Record<string, unknown>;

interface Part {
  text?: string;
  image_url?: { url: string };
  input_audio?: { data: string; format: string };
}

/** Content blocks of an MCP result. */
export const image = (data = PNG, mimeType = "image/png") => ({ type: "image", data, mimeType });
export const audio = (data = WAV, mimeType = "audio/wav") => ({ type: "audio", data, mimeType });
export const text = (words: string) => ({ type: "text", text: words });
/** A tool whose results have this content. */
export const gives =
  (...content: Json[]): McpAnswer =>
  () => ({ content });

/**
 * A key with one tool (`fields` are its), and an upstream that follows the script; what `ask` sends
 * has the history so far.
 */
export async function conversation(
  answer: McpAnswer,
  script: (tool: string) => Answer[],
  fields: Json = {},
) {
  const tool = await mcpTool("look", answer, fields);
  const upstream = await startUpstream(...script(tool.name));
  const { key } = await proxy.createKey({ toolIds: [tool.id], openaiBaseUrl: upstream.url });
  const messages: Json[] = [];
  const ask = async (content: string | Json[], more: Json = {}) => {
    messages.push(...(typeof content === "string" ? [{ role: "user", content }] : content));
    const response = await fetch(`${proxy.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "gpt-4o-mini", messages, ...more }),
    });
    const body = await response.text();
    expect(response.status, body).toBe(200);
    const id = response.headers.get("x-proxy-conversation-id") ?? "";
    if (more["stream"] === true) return { id, body };
    const { choices } = JSON.parse(body) as { choices: { message: Json }[] };
    messages.push(choices[0]?.message ?? {});
    return { id, body };
  };
  return { tool, upstream, ask };
}

/** Calls the tool once for each id, then answers. */
export const looks =
  (...ids: string[]) =>
  (tool: string): Answer[] => [
    completion({ tool_calls: ids.map((id) => toolCall(id, tool, {})) }),
    completion({ content: "I see." }),
    completion({ content: "Still." }),
  ];

/**
 * The messages of a request as they went upstream, which must be what OpenAI's specification
 * allows.
 */
export function sent(upstream: ScriptedUpstream, index: number): Json[] {
  const body = upstream.requests[index]?.json() ?? {};
  expect(
    specFaults("CreateChatCompletionRequest", body),
    JSON.stringify(body).slice(0, 2000),
  ).toEqual([]);
  return sentMessages(upstream, index);
}

/** A content part in short: words, or the start of the data. */
const short = (part: Part) =>
  part.text ??
  part.image_url?.url.slice(0, 40) ??
  `${part.input_audio?.format}: ${part.input_audio?.data}`;

/** The content parts of a message in short. */
export const shown = (message: Json | undefined): string[] =>
  ((message?.["content"] ?? []) as Part[]).map(short);

/** The start of an image, as {@link shown} has it. */
export const dataUrl = (data: string, type = "image/png") =>
  `data:${type};base64,${data}`.slice(0, 40);

/** Who says what, in order. */
export const roles = (messages: { role?: unknown }[]): unknown[] =>
  messages.map(({ role }) => role);
