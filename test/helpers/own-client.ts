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
  /** What to ask with, where a test wants to see the bytes. */
  fetch?: typeof globalThis.fetch;
}

/** A whole turn, as the client has it. */
export interface AnsweredTurn {
  /** The assistant message, as an application sends it back. */
  message: ChatCompletion["choices"][number]["message"];
  finishReason: string;
  conversationId: string;
}

/** Asks for a chat completion, streamed or whole, and reads it to its end. Never tries twice. */
export async function askOfficially(
  { url, key, fetch }: Place,
  body: Json,
  streamed: boolean,
): Promise<AnsweredTurn> {
  const { completions } = new OpenAI({
    apiKey: key,
    baseURL: `${url}/v1`,
    maxRetries: 0,
    ...(fetch ? { fetch } : {}),
  }).chat;
  const request = {
    model: "gpt-test",
    ...body,
  } as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming;
  const { data, response } = streamed
    ? await completions.create({ ...request, stream: true }).withResponse()
    : await completions.create(request).withResponse();
  const completion: ChatCompletion =
    "choices" in data
      ? data
      : await ChatCompletionStream.fromReadableStream(
          data.toReadableStream(),
        ).finalChatCompletion();
  const [choice] = completion.choices;
  if (choice === undefined) throw new Error(`No choice in ${JSON.stringify(completion)}`);
  const conversationId = response.headers.get("x-proxy-conversation-id") ?? "";
  return { message: choice.message, finishReason: choice.finish_reason, conversationId };
}

/** A conversation, with what tests of the tool loop read beside the rest. */
interface OwnConversation extends ConversationDetail {
  turns: { status: string; loopStopReason: string | null; error: string | null }[];
  rounds: (ConversationDetail["rounds"][number] & {
    tokensEstimated: boolean;
    completionTokens: number | null;
  })[];
}

type Listed = Pick<OwnConversation, "id" | "title">;

async function conversationWhere(
  url: string,
  isWanted: (row: Listed) => boolean,
): Promise<OwnConversation> {
  const find = async () =>
    (await adminCall<{ data: Listed[] }>(url, "/conversations?limit=200")).data.find(isWanted);
  await expect.poll(find, { timeout: 15_000, interval: 100 }).toBeDefined();
  return adminCall<OwnConversation>(url, `/conversations/${(await find())?.id}`);
}

/** A conversation of a proxy of the test's own, as soon as it is written. */
export const conversationAt = (url: string, id: string): Promise<OwnConversation> =>
  conversationWhere(url, (row) => row.id === id);

/** The conversation that began with these words, where the client has left without its id. */
export const conversationTitled = (url: string, title: string): Promise<OwnConversation> =>
  conversationWhere(url, (row) => row.title === title);
