/** A client of the Responses API at an upstream that speaks chat completions. */
import { ApiError } from "../../openai/api-error.ts";
import { isObject, parseJson, type JsonObject } from "../../openai/json.ts";
import { setMembers } from "../../openai/json-object-text.ts";
import type { DialectRequest, Translation } from "../dialect.ts";
import { messagesOfInput, type SpelledInput } from "./input-to-messages.ts";
import { itemsOfMessages } from "./rounds-to-items.ts";
import { appliedRows, CHANGED_MEMBERS, SAME_MEMBERS, vainIncludes } from "./applied-members.ts";
import { spelledTools, type SpelledTools } from "./tools-to-chat.ts";

/** A request, said in the words of chat completions as far as it can be. */
interface Spelled {
  text: string;
  /** Why it cannot be asked so; null where it can. */
  refused: ApiError | null;
  dropped: string[];
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** Members as JSON text; undefined removes one. */
type Changes = Record<string, string | undefined>;

function changesOf(body: JsonObject, spelled: JsonObject): Changes {
  // Servers that take a member do not always take null for it.
  const empty = SAME_MEMBERS.filter((name) => Object.hasOwn(body, name) && !isGiven(body[name]));
  const removed = [...CHANGED_MEMBERS, ...empty].map((name): [string, undefined] => [
    name,
    undefined,
  ]);
  const added = Object.entries(spelled).filter(([, value]) => value !== undefined);
  const texts = added.map(([name, value]): [string, string] => [name, JSON.stringify(value)]);
  return Object.fromEntries<string | undefined>([...removed, ...texts]);
}

const cannotBeAsked = (why: string, param: string): ApiError => {
  const message = `This request cannot be asked over chat completions: ${why}.`;
  return new ApiError("invalid_value", message, { param });
};

/** In OpenAI's words, but for where they are kept. */
const notKept = (id: string): ApiError => {
  const message =
    `Item with id '${id}' not found. Items are kept with a response that is stored, for as ` +
    "long as that is. Send the item itself, or remove it from your input.";
  return new ApiError("not_found", message, { param: "input" });
};

/** What is the matter with a request's members, its tools, and its input. */
function refusalOf(
  body: JsonObject,
  rows: ReturnType<typeof appliedRows>,
  tools: SpelledTools,
  input: SpelledInput,
): ApiError | null {
  const row = rows.find((applied) => applied.row.fate === "refused")?.row;
  if (row !== undefined) return cannotBeAsked(`${row.member} is set, and ${row.words}`, row.member);
  const { instructions, previous_response_id: previous } = body;
  if (isGiven(instructions) && typeof instructions !== "string")
    return cannotBeAsked("instructions are no text", "instructions");
  // What the proxy has kept was put into the input before.
  if (isGiven(previous))
    return cannotBeAsked("upstream alone knows the previous response", "previous_response_id");
  if (tools.refused !== null) return cannotBeAsked(tools.refused, "tool_choice");
  if (input.missing !== null) return notKept(input.missing);
  return input.refused === null ? null : cannotBeAsked(input.refused, "input");
}

function spell({ text }: DialectRequest): Spelled {
  const parsed = parseJson(text);
  const body = isObject(parsed) ? parsed : {};
  const rows = appliedRows(body);
  const tools = spelledTools(body);
  const input = messagesOfInput(body, tools.plain);
  const members = rows.flatMap(({ row, value }) => Object.entries(row.spell?.(value) ?? {}));
  const spelled = {
    messages: input.messages,
    tools: tools.tools,
    tool_choice: tools.choice,
    ...Object.fromEntries(members),
  };
  const left = rows.filter(({ row }) => row.fate === "dropped");
  return {
    text: setMembers(text, changesOf(body, spelled)),
    refused: refusalOf(body, rows, tools, input),
    dropped: [
      ...left.map(({ row }) => `Left out ${row.member}: ${row.words}`),
      ...vainIncludes(body).map((name) => `Left out ${String(name)} of include`),
      ...[...tools.dropped].map((type) => `Left out the tool ${type}: chat completions have none`),
      ...[...input.dropped].map((type) => `Left out an item of the input: ${type}`),
    ],
  };
}

/** A request is asked about more than once. */
const known = new WeakMap<DialectRequest, Spelled>();

function spelledOnce(request: DialectRequest): Spelled {
  const spelled = known.get(request) ?? spell(request);
  known.set(request, spelled);
  return spelled;
}

/** The row of the table of translations. */
export const responsesToChat: Translation = {
  from: "responses",
  to: "chat",
  // Such an upstream knows no other dialect: what cannot be said in this one is an error.
  refuses: () => null,
  dropped: (request) => spelledOnce(request).dropped,
  /** @throws ApiError 400, or 404 of an item that is not kept */
  request: (request) => {
    const { text, refused } = spelledOnce(request);
    if (refused !== null) throw refused;
    return text;
  },
  items: itemsOfMessages,
};
