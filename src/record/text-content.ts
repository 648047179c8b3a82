/** What people can read of endpoints that know no messages: prompts, inputs, transcripts, flags. */
import { isObject, objectsOf, parseJson, type JsonObject } from "../openai/json.ts";
import { readEvents } from "../openai/read-events.ts";
import { isEventStream, type KeptAnswer } from "./chat-content.ts";

/** Of inputs that may be long and many. In characters. */
const MAX_INPUT_LENGTH = 16 * 1024;
/** What stands around each of several texts. In characters. */
const PART_LENGTH = 32;

const isText = (value: unknown): value is string => typeof value === "string";

const user = (content: unknown): JsonObject => ({ role: "user", content });
const assistant = (content: unknown): JsonObject => ({ role: "assistant", content });

/** Tokens that a client counted out itself: a prompt is a list of them, or of such lists. */
const isTokens = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((token) => typeof token === "number");

/** The texts of a prompt or an input: one, or several, or parts that have some. */
export function textsOf(value: unknown): string[] {
  if (isText(value)) return [value];
  if (!Array.isArray(value)) return [];
  return (value as unknown[]).flatMap((element) => {
    if (isText(element)) return [element];
    return isObject(element) && isText(element["text"]) ? [element["text"]] : [];
  });
}

/** How many tokens a prompt or an input has that came as tokens. */
export function givenTokens(value: unknown): number {
  if (isTokens(value)) return value.length;
  const lists = Array.isArray(value) ? (value as unknown[]).filter(isTokens) : [];
  return lists.reduce((sum, tokens) => sum + tokens.length, 0);
}

/** What is said of tokens in the place of a text that nobody has. */
const tokensNote = (value: unknown): string[] => {
  const tokens = givenTokens(value);
  return tokens === 0 ? [] : [`[${tokens} tokens]`];
};

function cut(texts: string[], maxLength: number): string[] {
  const kept: string[] = [];
  let left = maxLength;
  for (const text of texts) {
    if (left <= 0) return [...kept, `[${texts.length - kept.length} more]`];
    kept.push(text.length <= left ? text : `${text.slice(0, left)}…`);
    left -= text.length + PART_LENGTH;
  }
  return kept;
}

/** One text as text, several as parts. */
function contentOf(texts: string[]): unknown {
  const [only] = texts;
  return texts.length === 1 ? only : texts.map((text) => ({ type: "text", text }));
}

function inputMessages(value: unknown, maxLength: number): JsonObject[] {
  const texts = cut([...textsOf(value), ...tokensNote(value)], maxLength);
  return texts.length === 0 ? [] : [user(contentOf(texts))];
}

/** Of `/v1/completions`: each prompt is answered by itself. */
export const completionsPrompt = ({ prompt }: JsonObject): JsonObject[] =>
  [...textsOf(prompt), ...tokensNote(prompt)].map(user);

/** Of `/v1/embeddings`. */
export const embeddingsInput = ({ input }: JsonObject): JsonObject[] =>
  inputMessages(input, MAX_INPUT_LENGTH);

/** Of `/v1/images/generations` and the like. */
export const imagesPrompt = ({ prompt }: JsonObject): JsonObject[] =>
  inputMessages(prompt, MAX_INPUT_LENGTH);

/** Of `/v1/moderations`: texts, or parts with texts and pictures. */
export function moderationsInput({ input }: JsonObject): JsonObject[] {
  const parts = objectsOf(input);
  return parts.length > 0 ? [user(parts)] : inputMessages(input, Number.MAX_SAFE_INTEGER);
}

/** Of `/v1/audio/speech`: what is to be said, and how. */
export function speechInput({ input, instructions, voice }: JsonObject): JsonObject[] {
  if (!isText(input)) return [];
  const how = isText(instructions) ? [{ role: "system", content: instructions }] : [];
  return [...how, { ...user(input), voice }];
}

const named = (categories: unknown): string[] =>
  isObject(categories) ? Object.keys(categories).filter((name) => categories[name] === true) : [];

/** What of each input was flagged. Scores are left out. */
export function moderationsFlags({ text }: KeptAnswer): JsonObject[] {
  const body = parseJson(text);
  const results = isObject(body) ? objectsOf(body["results"]) : [];
  const flags = results.map(({ flagged, categories }) => ({
    type: "moderation",
    flagged,
    categories: named(categories),
  }));
  return flags.length === 0 ? [] : [assistant(flags)];
}

function addedTexts(texts: Map<unknown, string>, choices: JsonObject[]): void {
  for (const { index, text } of choices) {
    if (isText(text)) texts.set(index ?? 0, (texts.get(index ?? 0) ?? "") + text);
  }
}

/** The texts that `/v1/completions` answers, one for each choice. */
export function completionsTexts(answer: KeptAnswer): JsonObject[] {
  const texts = new Map<unknown, string>();
  const payloads = isEventStream(answer) ? readEvents(answer.text) : [answer.text];
  for (const payload of payloads.map(parseJson)) {
    if (isObject(payload)) addedTexts(texts, objectsOf(payload["choices"]));
  }
  return [...texts.values()].map(assistant);
}

function streamedTranscript(text: string): string {
  const events = readEvents(text).map(parseJson).filter(isObject);
  const whole = events.findLast(({ type }) => type === "transcript.text.done")?.["text"];
  if (isText(whole)) return whole;
  return events
    .map(({ delta }) => delta)
    .filter(isText)
    .join("");
}

/** What somebody said in a sound: as JSON, as events, or as plain text or subtitles. */
export function transcript(answer: KeptAnswer): JsonObject[] {
  const body = parseJson(answer.text);
  const whole = isObject(body) ? body["text"] : answer.text.trim();
  const said = isEventStream(answer) ? streamedTranscript(answer.text) : whole;
  return isText(said) && said !== "" ? [assistant(said)] : [];
}
