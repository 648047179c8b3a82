/**
 * What is kept of each endpoint's requests and answers, and how it is read as messages. Figures are
 * kept of all of them; of what has no row here, nothing else.
 */
import { objectsOf, type JsonObject } from "../openai/json.ts";
import type { Usage } from "../openai/usage.ts";
import { readChatAnswers, type KeptAnswer } from "./chat-content.ts";
import { countPrompt, countTexts, type TokenCounter } from "./count-tokens.ts";
import { responsesInput, responsesOutput, responsesPrompt } from "./responses-content.ts";
import {
  completionsPrompt,
  completionsTexts,
  embeddingsInput,
  givenTokens,
  imagesPrompt,
  moderationsFlags,
  moderationsInput,
  speechInput,
  textsOf,
  transcript,
} from "./text-content.ts";

/** What was answered. */
export interface Answered {
  /** What is kept of it, in the wire format of chat completions. */
  messages: JsonObject[];
  /** What was answered beside that, and costs tokens too. */
  others: JsonObject[];
  /** As upstream gave them, for a record that does not say. */
  usage: Usage | null;
  finishReason: string | null;
}

/** How one endpoint's bodies are read. */
export interface EndpointContent {
  /** What the client sent, as messages in the wire format of chat completions. */
  sent(body: JsonObject): JsonObject[];
  /** Reads the answer's text; null where only its hash and size are kept. */
  answered: ((answer: KeptAnswer) => Answered) | null;
  /** Tokens of the request; null where the endpoint is not paid for by tokens of text. */
  promptTokens: ((body: JsonObject, counter: TokenCounter) => number) | null;
  /** Whether a request costs its tokens although the answer has no text. */
  countsWithoutText: boolean;
  /** Whether its messages are a history that a later request may go on from. */
  hasHistory: boolean;
}

const NOTHING: EndpointContent = {
  sent: () => [],
  answered: null,
  promptTokens: null,
  countsWithoutText: false,
  hasHistory: false,
};

const alone =
  (read: (answer: KeptAnswer) => JsonObject[]) =>
  (answer: KeptAnswer): Answered => ({
    messages: read(answer),
    others: [],
    usage: null,
    finishReason: null,
  });

function chatAnswered(answer: KeptAnswer): Answered {
  const [first, ...others] = readChatAnswers(answer);
  return {
    messages: first === undefined ? [] : [{ role: "assistant", ...first.message }],
    others: others.map(({ message }) => message),
    usage: first?.usage ?? null,
    finishReason: first?.finishReason ?? null,
  };
}

/** Texts as the model reads them, without what stands around messages. */
const tokensOfTexts =
  (member: string) =>
  (body: JsonObject, counter: TokenCounter): number =>
    countTexts(textsOf(body[member]), counter) + givenTokens(body[member]);

const CHAT: EndpointContent = {
  ...NOTHING,
  sent: (body) => objectsOf(body["messages"]),
  answered: chatAnswered,
  promptTokens: countPrompt,
  hasHistory: true,
};

const TRANSCRIPT: EndpointContent = { ...NOTHING, answered: alone(transcript) };
const IMAGES: EndpointContent = { ...NOTHING, sent: imagesPrompt };

/** By path. Azure and others have something before it. */
const ENDPOINTS: [path: RegExp, content: EndpointContent][] = [
  [/\/chat\/completions$|^\/mcp$/, CHAT],
  [
    /\/v1\/responses$/,
    {
      ...NOTHING,
      sent: responsesInput,
      answered: alone(responsesOutput),
      promptTokens: (body, counter) => countPrompt(responsesPrompt(body), counter),
    },
  ],
  [/\/v1\/responses\/compact$/, { ...NOTHING, sent: responsesInput }],
  [
    /\/completions$/,
    {
      ...NOTHING,
      sent: completionsPrompt,
      answered: alone(completionsTexts),
      promptTokens: tokensOfTexts("prompt"),
    },
  ],
  [
    /\/embeddings$/,
    {
      ...NOTHING,
      sent: embeddingsInput,
      promptTokens: tokensOfTexts("input"),
      countsWithoutText: true,
    },
  ],
  [/\/moderations$/, { ...NOTHING, sent: moderationsInput, answered: alone(moderationsFlags) }],
  [/\/images\/(?:generations|edits|variations)$/, IMAGES],
  [/\/audio\/speech$/, { ...NOTHING, sent: speechInput }],
  [/\/audio\/(?:transcriptions|translations)$/, TRANSCRIPT],
];

/**
 * How an endpoint's bodies are read.
 * @param endpoint normalised, as `/v1/chat/completions`
 */
function endpointContent(endpoint: string): EndpointContent {
  const row = ENDPOINTS.find(([path]) => path.test(endpoint));
  return row?.[1] ?? NOTHING;
}

/** Whether an endpoint's answers are kept as text, as far as they are text; else by hash and size. */
export const keepsAnswerText = (endpoint: string): boolean =>
  endpointContent(endpoint).answered !== null;

/** Whether something of an endpoint's requests is kept as text, or counted by it, however long. */
export const keepsRequestText = (endpoint: string): boolean =>
  endpointContent(endpoint).sent !== NOTHING.sent;

/** How a turn's bodies are read. */
export const contentOf = ({ bodies, endpoint }: { bodies?: string; endpoint: string }) =>
  endpointContent(bodies ?? endpoint);
