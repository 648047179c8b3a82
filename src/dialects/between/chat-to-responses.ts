/** Requests of chat completions whose rounds an upstream answers in the Responses API. */
import { parseJson, type JsonObject } from "../../openai/json.ts";
import { memberTexts } from "../../openai/json-object-text.ts";
import { ChatDialectRequest } from "../chat/chat-dialect.ts";
import type { DialectRequest, Translation } from "../dialect.ts";
import { CHAT_MEMBERS, UNKNOWN_MEMBER } from "./chat-members.ts";
import { messagesOfItems } from "./items-to-messages.ts";
import { foreignMessage, itemsOfMessages, leftOutOfMessages } from "./messages-to-items.ts";

type MemberRow = typeof UNKNOWN_MEMBER;

/** A member that says something. */
interface SaidMember {
  name: string;
  row: MemberRow;
  text: string;
  value: unknown;
}

const rowOf = (name: string): MemberRow =>
  Object.hasOwn(CHAT_MEMBERS, name) ? (CHAT_MEMBERS[name] ?? UNKNOWN_MEMBER) : UNKNOWN_MEMBER;

/** The members beside the messages that ask for something. */
function saidMembers(request: DialectRequest): SaidMember[] {
  const members = [...memberTexts(request.text)].filter(([name]) => name !== "messages");
  return members
    .map(([name, text]) => ({ name, row: rowOf(name), text, value: parseJson(text) }))
    .filter(({ row, value }) => value !== null && row.isUsual?.(value) !== true);
}

const bodyOf = (members: SaidMember[]): JsonObject =>
  Object.fromEntries(members.map(({ name, value }) => [name, value]));

/** Why a request is asked in chat completions, or null. */
function refuses(request: DialectRequest): string | null {
  const members = saidMembers(request);
  for (const { name, row, value } of members) {
    const why = row.fate === "stays" ? row.words : (row.refuses?.(value) ?? null);
    if (why !== null) return `${name}: ${why.replaceAll("`", "")}`;
  }
  // Upstream says what is wrong with it, in the client's words.
  if (request.history.length === 0) return "messages: there are none";
  const what = foreignMessage(request.history);
  return what === null ? null : `messages: the Responses API has no ${what}`;
}

/** What is left out of a request, a sentence each. */
function dropped(request: DialectRequest): string[] {
  const members = saidMembers(request).filter(({ row }) => row.fate === "dropped");
  const notes = members.map(({ name, row }) => `Asked without ${name}: ${row.words}`);
  const words = leftOutOfMessages(request.history);
  return [...notes, ...words.map((what) => `Asked without ${what}: the Responses API has none`)];
}

/** JSON texts of members, some of which are members of an object. */
class BodyWriter {
  readonly #members = new Map<string, Map<string, string>>();

  /** @param to a member, or a member of one: `text.format` */
  set(to: string, text: string): void {
    const [name = to, inside = ""] = to.split(".");
    const known = this.#members.get(name) ?? new Map<string, string>();
    known.set(inside, text);
    this.#members.set(name, known);
  }

  text(): string {
    const members = [...this.#members].map(([name, inside]) => {
      const whole = inside.get("");
      return `${JSON.stringify(name)}:${whole ?? objectText(inside)}`;
    });
    return `{${members.join(",")}}`;
  }
}

const objectText = (members: Map<string, string>): string =>
  `{${[...members].map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(",")}}`;

/** A request's text as the Responses API has it. */
function requestText(request: DialectRequest): string {
  if (!(request instanceof ChatDialectRequest))
    throw new TypeError("That is no request of chat completions");
  const members = saidMembers(request).filter(({ row }) => row.fate === "mapped");
  const body = bodyOf(members);
  const writer = new BodyWriter();
  for (const { name, row, text, value } of members) {
    const spelled = row.spell === undefined ? text : row.spell(text, value, body);
    if (spelled !== undefined) writer.set(row.to ?? name, spelled);
  }
  const isStored = body["store"] === true;
  // Chat completions are not stored where nothing is said, and responses are.
  writer.set("store", String(isStored));
  writer.set("input", JSON.stringify(itemsOfMessages(request.messages, isStored)));
  return writer.text();
}

/** A chat client's rounds at an upstream of the Responses API. */
export const chatToResponses: Translation = {
  from: "chat",
  to: "responses",
  refuses,
  dropped,
  request: requestText,
  items: messagesOfItems,
};
