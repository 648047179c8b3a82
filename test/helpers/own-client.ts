/** The official client at a proxy of a test's own. */
import OpenAI from "openai";
import { ChatCompletionStream } from "openai/lib/ChatCompletionStream";
import type { ChatCompletion } from "openai/resources/chat/completions";
import { expect } from "vitest";
import { adminCall } from "./own-proxy.ts";
import type { ConversationDetail } from "./proxy.ts";

type Json = Record<string, unknown>;

/** Where to ask, and as whom. */
export interface Place {
  url: string;
  key: string;
}

/** A whole turn, as the client has it. */
export interface AnsweredTurn {
  /** The assistant message, as an application sends it back. */
  message: ChatCompletion["choices"][number]["message"];
  finishReason: string;
  conversationId: string;
}

/** Asks for a chat completion, streamed or whole, and reads it to its end. Never tries twice. */
export async function askOfficially({ url, key }: Place, body: Json, streamed: boolean): Promise<AnsweredTurn> {
  const { completions } = new OpenAI({ apiKey: key, baseURL: `${url}/v1`, maxRetries: 0 }).chat;
  const request = { model: "gpt-test", ...body } as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming;
  const { data, response } = streamed
    ? await completions.create({ ...request, stream: true }).withResponse()
    : await completions.create(request).withResponse();
  const completion: ChatCompletion =
    "choices" in data ? data : await ChatCompletionStream.fromReadableStream(data.toReadableStream()).finalChatCompletion();
  const [choice] = completion.choices;
  if (choice === undefined) throw new Error(`No choice in ${JSON.stringify(completion)}`);
  const conversationId = response.headers.get("x-proxy-conversation-id") ?? "";
  return { message: choice.message, finishReason: choice.finish_reason, conversationId };
}

/** A conversation of a proxy of the test's own, with what tests of the tool loop read beside the rest. */
export interface OwnConversation extends ConversationDetail {
  turns: { id: string; status: string; loopStopReason: string | null; totalTokens: number | null; tokensEstimated: boolean }[];
  rounds: (ConversationDetail["rounds"][number] & { tokensEstimated: boolean; completionTokens: number | null })[];
}

/** A conversation, as soon as it is written. */
export async function conversationAt(url: string, id: string): Promise<OwnConversation> {
  const list = async () => (await adminCall<{ data: { id: string }[] }>(url, "/conversations?limit=200")).data.map((row) => row.id);
  await expect.poll(list, { timeout: 15_000, interval: 100 }).toContain(id);
  return adminCall<OwnConversation>(url, `/conversations/${id}`);
}
