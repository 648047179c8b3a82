import type { Usage } from "../openai/usage.ts";
import type { RoundRecord, TurnRecord } from "../record/turn-record.ts";

/** Endpoints that answer with tokens of a model, or read them, and are billed by them. */
export const TOKEN_ENDPOINT = /\/(?:chat\/completions|completions|responses|embeddings)$|^\/mcp$/;
/** English text of OpenAI's models: https://platform.openai.com/tokenizer */
export const CHARACTERS_PER_TOKEN = 4;
/** How many values of a message are looked at. */
const MAX_VALUES = 100_000;
/** Where the bytes of an image or a file begin, which are no text. */
const BYTES_START = ";base64,";

/** Characters of all texts inside, however deep: nothing in it may cost the stack. */
function textLength(value: unknown): number {
  const left: unknown[] = [value];
  let length = 0;
  for (let seen = 0; left.length > 0 && seen < MAX_VALUES; seen++) {
    const next = left.pop();
    if (typeof next === "string") length += withoutBytes(next);
    else if (typeof next === "object" && next !== null)
      for (const inner of Object.values(next)) left.push(inner);
  }
  return length;
}

/** Characters of a text, without those of bytes inside. */
export function withoutBytes(text: string): number {
  let length = text.length;
  for (let start = text.indexOf(BYTES_START); start !== -1;) {
    const quote = text.indexOf('"', start);
    const end = quote === -1 ? text.length : quote;
    length -= end - start;
    start = text.indexOf(BYTES_START, end);
  }
  return length;
}

/** Tokens of an answer: upstreams send about one in each event of a stream. */
function answerTokens({ response }: TurnRecord, { received }: RoundRecord): number {
  if (received !== undefined) return Math.ceil(textLength(received) / CHARACTERS_PER_TOKEN);
  if (response === null) return 0;
  if (!response.contentType.toLowerCase().startsWith("text/event-stream"))
    return Math.ceil(withoutBytes(response.text) / CHARACTERS_PER_TOKEN);
  return response.text.split("\ndata:").length;
}

/**
 * Whether upstream answered, so that it has read the prompt. An error that it sent is no answer.
 */
const isAnswered = (record: TurnRecord, { status, received }: RoundRecord): boolean =>
  received !== undefined ||
  (record.httpStatus < 300 && (status === "completed" || record.response !== null));

/** Characters of a request; of one that was handed on unread its bytes, which are no fewer. */
const sentLength = ({ request, requestDigest }: TurnRecord): number =>
  request === null ? (requestDigest?.bytes ?? 0) : withoutBytes(request);

/**
 * What a round used of which upstream reported no usage: a quarter of the characters that were sent
 * and received. It is no more than a guess, but one that is there when the use happens: the budget
 * is taken from then, and the tokenizer counts behind the response, when the record is written.
 * Null where nothing was used, or nobody could tell.
 */
export function estimateUsage(record: TurnRecord, round: RoundRecord): Usage | null {
  if (record.cached === true || !TOKEN_ENDPOINT.test(record.bodies ?? record.endpoint)) return null;
  if (!isAnswered(record, round)) return null;
  const hidden = record.produced.filter((message) => message.round < round.round);
  const sent = sentLength(record) + textLength(hidden.map(({ message }) => message));
  const prompt = Math.ceil(sent / CHARACTERS_PER_TOKEN);
  const completion = answerTokens(record, round);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
  };
}
