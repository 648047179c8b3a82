/** A client of the Responses API at an upstream that speaks chat completions. */
import { ApiError } from "../../openai/api-error.ts";
import { isObject, parseJson, type JsonObject } from "../../openai/json.ts";
import { setMembers } from "../../openai/json-object-text.ts";
import type { DialectRequest, Translation } from "../dialect.ts";
import { areTextInstructions, messagesOfInput } from "./input-to-messages.ts";
import { itemsOfMessages } from "./rounds-to-items.ts";
import { appliedRows, CHANGED_MEMBERS, SAME_MEMBERS, vainIncludes } from "./applied-members.ts";
import { spelledTools } from "./tools-to-chat.ts";

/** A request, said in the words of chat completions as far as it can be. */
interface Spelled {
  text: string;
  refused: string | null;
  dropped: string[];
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** Members as JSON text; undefined removes one. */
type Changes = Record<string, string | undefined>;

function changesOf(body: JsonObject, spelled: JsonObject): Changes {
  // Servers that take a member do not always take null for it.
  const empty = SAME_MEMBERS.filter((name) => name in body && !isGiven(body[name]));
  const removed = [...CHANGED_MEMBERS, ...empty].map((name): [string, undefined] => [
    name,
    undefined,
  ]);
  const added = Object.entries(spelled).filter(([, value]) => value !== undefined);
  const texts = added.map(([name, value]): [string, string] => [name, JSON.stringify(value)]);
  return Object.fromEntries<string | undefined>([...removed, ...texts]);
}

function spell({ text }: DialectRequest): Spelled {
  const parsed = parseJson(text);
  const body = isObject(parsed) ? parsed : {};
  const rows = appliedRows(body);
  const { plain, tools, choice, ...ofTools } = spelledTools(body);
  const { messages, ...ofInput } = messagesOfInput(body, plain);
  const members = rows.map(({ row, value }) => row.spell?.(value) ?? {});
  const spelled = { messages, tools, tool_choice: choice, ...Object.assign({}, ...members) };
  const refusedRow = rows.find(({ row }) => row.fate === "refused")?.row;
  const ofMember =
    refusedRow === undefined ? null : `${refusedRow.member} is set, and ${refusedRow.words}`;
  const instructed = areTextInstructions(body["instructions"])
    ? null
    : "instructions are no text, and items of them are known to a stored prompt alone";
  const left = rows.filter(({ row }) => row.fate === "dropped");
  const notes = [
    ...left.map(({ row }) => `Left out ${row.member}: ${row.words}`),
    ...vainIncludes(body).map((name) => `Left out ${String(name)} of include`),
    ...[...ofTools.dropped].map((type) => `Left out the tool ${type}: chat completions have none`),
    ...[...ofInput.dropped].map((type) => `Left out an item of the input: ${type}`),
  ];
  return {
    text: setMembers(text, changesOf(body, spelled)),
    refused: ofMember ?? instructed ?? ofTools.refused ?? ofInput.refused,
    dropped: notes,
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
  refuses: (request) => spelledOnce(request).refused,
  dropped: (request) => spelledOnce(request).dropped,
  /** @throws ApiError 400 where it was not asked before whether it can be said so */
  request: (request) => {
    const { text, refused } = spelledOnce(request);
    if (refused === null) return text;
    const message = `This request cannot be asked over chat completions: ${refused}.`;
    throw new ApiError("invalid_value", message);
  },
  items: itemsOfMessages,
};
