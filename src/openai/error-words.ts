/** Finds the words of an error in whatever shape an upstream, or a proxy before it, gave it. */
import { isObject, ownMember as member, parseJson, type JsonObject } from "./json.ts";

/** What an error says. */
export interface ErrorWords {
  message: string | null;
  /** OpenAI's `code`; else the kind of the error by another name. */
  code: string | null;
}

const MAX_MESSAGE_LENGTH = 4096;
const MAX_CODE_LENGTH = 128;
/** How much of a page or a text is looked at, in characters. */
const MAX_PAGE_LENGTH = 16_384;

function cut(text: string, length: number): string | null {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  return trimmed.length <= length ? trimmed : `${trimmed.slice(0, length - 1)}…`;
}

const messageText = (value: unknown): string | null =>
  typeof value === "string" ? cut(value, MAX_MESSAGE_LENGTH) : null;

function codeText(value: unknown): string | null {
  if (typeof value === "string") return cut(value, MAX_CODE_LENGTH);
  return typeof value === "number" && value !== 0 ? String(value) : null;
}

function first<T>(values: readonly unknown[], read: (value: unknown) => T | null): T | null {
  for (const value of values) {
    const found = read(value);
    if (found !== null) return found;
  }
  return null;
}

const isName = (step: unknown) => typeof step === "string" || typeof step === "number";

const placeText = (place: unknown[]): string => place.slice(0, 8).filter(isName).join(".");

/** The validation errors of FastAPI: `[{"loc": ["body", "model"], "msg": "Field required"}]`. */
function detailText(detail: unknown): string | null {
  if (!Array.isArray(detail)) return messageText(detail);
  const faults = (detail as unknown[]).slice(0, 8).filter(isObject);
  const lines = faults.map((fault) => {
    const place = member(fault, "loc");
    const said = messageText(member(fault, "msg")) ?? "";
    return Array.isArray(place) ? `${placeText(place)}: ${said}` : said;
  });
  return messageText(lines.join("; "));
}

/** The words inside an `error` object. Azure and Gemini nest what was meant. */
function wordsOf(error: JsonObject): ErrorWords {
  const names = ["message", "msg", "detail", "reason"].map((name) => member(error, name));
  const { code, type } = error;
  const named = typeof code === "string" ? code : null;
  return {
    message: first(names, messageText),
    code: first([named, member(error, "status"), type, code], codeText),
  };
}

/** MiniMax answers with status 200 and says here what went wrong. */
function readBaseResponse(value: unknown): ErrorWords | null {
  if (!isObject(value)) return null;
  const code = member(value, "status_code");
  if (typeof code !== "number" || code === 0) return null;
  return { message: messageText(member(value, "status_msg")), code: String(code) };
}

/** Cloudflare and JSON:API give a list. */
function readList(value: unknown): ErrorWords | null {
  if (!Array.isArray(value)) return null;
  const [found] = value as unknown[];
  if (typeof found === "string") return { message: messageText(found), code: null };
  return isObject(found) ? wordsOf(found) : null;
}

/**
 * What a JSON body, or an event's data, says that went wrong, or null where it says nothing of the
 * kind. These members mean an error whatever the status is.
 */
export function readErrorMember(body: JsonObject): ErrorWords | null {
  const error = member(body, "error");
  if (typeof error === "string" && error.trim() !== "") {
    const { code } = wordsOf(body);
    return { message: messageText(error), code };
  }
  if (isObject(error) && Object.keys(error).length > 0) return wordsOf(error);
  const base = readBaseResponse(member(body, "base_resp"));
  if (base !== null) return base;
  const detail = member(body, "detail");
  const isDetailAlone = detail !== undefined && Object.keys(body).length === 1;
  return isDetailAlone ? { message: detailText(detail), code: null } : null;
}

/** What a JSON body says in answer to a request that failed. */
function readErrorBody(body: JsonObject): ErrorWords | null {
  const known = readErrorMember(body) ?? readList(member(body, "errors"));
  if (known !== null) return known;
  const words = wordsOf(body);
  const message = words.message ?? detailText(member(body, "detail"));
  return message === null ? null : { ...words, message };
}

function readPage(text: string): string | null {
  const page = text.slice(0, MAX_PAGE_LENGTH);
  const title = /<title[^>]{0,256}>([^<]{1,1024})<\/title/i.exec(page)?.[1];
  if (title !== undefined) return messageText(title.replace(/\s+/g, " "));
  if (/^\s*(?:<!doctype|<html|<\?xml)/i.test(page))
    return messageText(page.replace(/<[^>]{0,4096}>/g, " ").replace(/\s+/g, " "));
  return messageText(page);
}

/**
 * The words of a body that came with a status of failure: OpenAI's shape, Gemini's list of one,
 * MiniMax's, FastAPI's, Cloudflare's, a page's title, or the text itself.
 * @param body as parsed, or undefined where it is not known: then it is parsed from the text
 */
export function readErrorWords(text: string, body: unknown = parseJson(text)): ErrorWords | null {
  if (Array.isArray(body)) return readErrorBody({ errors: body, error: firstError(body) });
  if (isObject(body)) return readErrorBody(body);
  const message = typeof body === "string" ? messageText(body) : readPage(text);
  return message === null ? null : { message, code: null };
}

const firstError = (list: unknown[]): unknown =>
  isObject(list[0]) ? member(list[0], "error") : undefined;
