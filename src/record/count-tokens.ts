/**
 * Counts tokens where upstream did not, the way OpenAI's cookbook does:
 * https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken
 * Images, audio and files are not counted: what they cost is not in their bytes.
 */
import { isObject, objectsOf, textOf, type JsonObject } from "../openai/json.ts";

/** Counts the tokens of the texts of one turn, within a limit of work for all of them. */
export interface TokenCounter {
  count(text: string): number;
  /** Tokens around the definition of one tool. */
  perTool: number;
}

/**
 * How many characters of a turn are counted one by one: 0.1 s as a rule, 1 s at worst (measured
 * 2026-11).
 */
const MAX_CHARACTERS = 500_000;
/** What goes beyond that is judged by this many samples of this many characters. */
const SAMPLES = 16;
const SAMPLE_LENGTH = 4096;
/**
 * The tokenizer's time grows with the square of an unbroken run, so a long one is cut. Hardly a
 * word of people is.
 */
const LONG_RUN = /[\p{L}\p{M}]{128}|[^\s\p{L}\p{N}]{128}|\s{128}/gu;
/**
 * A text that looks like a control token of the chat format is a text. The tokenizer would refuse
 * it.
 */
const AS_TEXT = { disallowedSpecial: new Set<string>() };

/** `gpt-4`, `gpt-4-turbo`, `gpt-3.5-turbo`, `gpt-35-turbo`, but neither `gpt-4o` nor `gpt-4.1`. */
const OLD_MODELS = /gpt-(?:3\.?5|4(?![\w.]))/;

/**
 * Loaded when first needed: it takes 0.2 s and 75 MB (measured 2026-11). Nobody knows the
 * vocabularies of other makers' models.
 */
const vocabularyOf = async (model: string) =>
  OLD_MODELS.test(model)
    ? { perTool: 10, ...(await import("gpt-tokenizer/encoding/cl100k_base")) }
    : { perTool: 7, ...(await import("gpt-tokenizer/encoding/o200k_base")) };

function* withoutLongRuns(text: string): Generator<string> {
  let start = 0;
  for (const run of text.matchAll(LONG_RUN)) {
    const end = run.index + run[0].length;
    yield text.slice(start, end);
    start = end;
  }
  yield text.slice(start);
}

function samplesOf(text: string): string[] {
  const step = (text.length - SAMPLE_LENGTH) / (SAMPLES - 1);
  return Array.from({ length: SAMPLES }, (_, index) =>
    text.slice(Math.floor(index * step), Math.floor(index * step) + SAMPLE_LENGTH),
  );
}

const sum = <T>(items: Iterable<T>, count: (item: T) => number): number => {
  let total = 0;
  for (const item of items) total += count(item);
  return total;
};

/** Loads the tokenizer of a model, for the texts of one turn. */
export async function openTokenCounter(model: string): Promise<TokenCounter> {
  const { countTokens, setMergeCacheSize, perTool } = await vocabularyOf(model);
  // Its cache would keep the texts alive whose words are in it.
  setMergeCacheSize(0);
  const counted = { characters: 0, tokens: 0 };
  const countAll = (texts: string[]): { characters: number; tokens: number } => {
    const characters = sum(texts, (text) => text.length);
    const tokens = sum(texts, (text) =>
      sum(withoutLongRuns(text), (piece) => countTokens(piece, AS_TEXT)),
    );
    counted.characters += characters;
    counted.tokens += tokens;
    return { characters, tokens };
  };
  return {
    perTool,
    count: (text) => {
      const left = MAX_CHARACTERS - counted.characters;
      if (text.length <= left) return countAll([text]).tokens;
      const known = left < SAMPLES * SAMPLE_LENGTH ? counted : countAll(samplesOf(text));
      return Math.round((text.length * known.tokens) / known.characters);
    },
  };
}

const PER_MESSAGE = 3;
const PER_NAME = 1;
const PER_CALL = 3;
/** Every reply is begun for the model: `<|start|>assistant<|message|>`. */
const REPLY_START = 3;
const AFTER_TOOLS = 12;
const PER_PROPERTIES = 3;
const PER_PROPERTY = 3;
const PER_ENUM = -3;
const PER_ENUM_VALUE = 3;
/**
 * Schemas are nested as deep as their author likes; what is deeper costs little, and must not cost
 * the stack.
 */
const MAX_DEPTH = 12;

/** A content's texts: it is one itself, or has parts of which some are. */
const textsOf = (content: unknown): string[] =>
  typeof content === "string"
    ? [content]
    : objectsOf(content).map((part) => textOf(part["text"] ?? part["refusal"]));

function countCalls(message: JsonObject, { count }: TokenCounter): number {
  const called = objectsOf(message["tool_calls"]).map((call) => call["function"] ?? call["custom"]);
  return sum(
    [...called, message["function_call"]].filter(isObject),
    (call) =>
      PER_CALL + count(textOf(call["name"])) + count(textOf(call["arguments"] ?? call["input"])),
  );
}

/** Tokens of texts that no message stands around. */
export const countTexts = (texts: string[], { count }: TokenCounter): number => sum(texts, count);

/** Tokens of a message as the model reads it. */
export function countMessage(message: JsonObject, counter: TokenCounter): number {
  const { count } = counter;
  const name = textOf(message["name"]);
  const texts = [
    textOf(message["role"]),
    ...textsOf(message["content"]),
    textOf(message["refusal"]),
  ];
  return (
    PER_MESSAGE +
    sum(texts, count) +
    (name === "" ? 0 : PER_NAME + count(name)) +
    countCalls(message, counter)
  );
}

/**
 * Tokens of a message as the model wrote it, reasoning included. Some servers send the reasoning
 * under two names.
 */
export function countAnswer(message: JsonObject, counter: TokenCounter): number {
  const reasoning = textOf(message["reasoning_content"] ?? message["reasoning"]);
  const texts = [...textsOf(message["content"]), textOf(message["refusal"]), reasoning];
  return sum(texts, counter.count) + countCalls(message, counter);
}

const typesOf = ({ type }: JsonObject): string[] =>
  (Array.isArray(type) ? (type as unknown[]) : [type]).map(textOf);

const withoutPeriod = (description: unknown): string => textOf(description).replace(/\.$/, "");

function countProperties(properties: JsonObject, counter: TokenCounter, depth: number): number {
  const entries = Object.entries(properties);
  const own = sum(entries, ([name, value]) => {
    const schema = isObject(value) ? value : {};
    const line = `${name}:${typesOf(schema).join("|")}:${withoutPeriod(schema["description"])}`;
    return PER_PROPERTY + counter.count(line) + countSchema(schema, counter, depth + 1);
  });
  return entries.length === 0 ? 0 : PER_PROPERTIES + own;
}

/** Tokens of what a JSON Schema says beyond its own type and description. */
function countSchema(schema: JsonObject, counter: TokenCounter, depth = 0): number {
  if (depth > MAX_DEPTH) return 0;
  const named = [schema["properties"], schema["$defs"], schema["definitions"]].filter(isObject);
  const nested = [schema["items"], schema["additionalProperties"]].filter(isObject);
  const choices = ["anyOf", "oneOf", "allOf"].flatMap((name) => objectsOf(schema[name]));
  const values = Array.isArray(schema["enum"])
    ? schema["enum"].map((value) => (typeof value === "object" ? "" : String(value)))
    : [];
  return (
    (values.length === 0
      ? 0
      : PER_ENUM + sum(values, (value) => PER_ENUM_VALUE + counter.count(value))) +
    sum(named, (properties) => countProperties(properties, counter, depth)) +
    sum([...nested, ...choices], (inner) => countSchema(inner, counter, depth + 1))
  );
}

/**
 * Tokens of one tool's definition as the model reads it.
 * @param definition its `name`, `description` and `parameters`
 */
export function countTool(definition: JsonObject, counter: TokenCounter): number {
  const line = `${textOf(definition["name"])}:${withoutPeriod(definition["description"])}`;
  const parameters = isObject(definition["parameters"])
    ? countSchema(definition["parameters"], counter)
    : 0;
  return counter.perTool + counter.count(line) + parameters;
}

/**
 * Tokens of a request: its messages, the tools that it offers, and the schema that its answer must
 * have.
 */
export function countPrompt(request: JsonObject, counter: TokenCounter): number {
  const tools = objectsOf(request["tools"]).map((tool) => tool["function"] ?? tool["custom"]);
  const definitions = [...tools, ...objectsOf(request["functions"])].filter(isObject);
  const format = isObject(request["response_format"])
    ? request["response_format"]["json_schema"]
    : undefined;
  const schema = isObject(format) && isObject(format["schema"]) ? format["schema"] : {};
  return (
    sum(objectsOf(request["messages"]), (message) => countMessage(message, counter)) +
    sum(definitions, (definition) => countTool(definition, counter)) +
    (definitions.length === 0 ? 0 : AFTER_TOOLS) +
    countSchema(schema, counter) +
    REPLY_START
  );
}
