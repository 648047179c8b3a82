import { inSlices } from "./in-slices.ts";
import { BeyondBounds, checkBounds, refusalOf } from "./json-bounds.ts";
import { parseSteps } from "./parse-in-slices.ts";

/** A JSON object of unknown members. */
export type JsonObject = Record<string, unknown>;

/** Whether a value is a JSON object: not null, not an array. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * A member under a name that others chose, or undefined where the object has none of its own: every
 * object has a `constructor`, and it is nobody's.
 */
export const ownMember = (value: JsonObject, name: string): unknown =>
  Object.hasOwn(value, name) ? value[name] : undefined;

/**
 * Sets a member under a name that others chose: to assign `__proto__` would give the object another
 * prototype.
 */
export function setMember(target: JsonObject, name: string, value: unknown): void {
  if (name !== "__proto__") target[name] = value;
  else
    Object.defineProperty(target, name, {
      value,
      configurable: true,
      enumerable: true,
      writable: true,
    });
}

/** What is a text, else an empty one. */
export const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** What is a text, else null. */
export const textOrNull = (value: unknown): string | null =>
  typeof value === "string" ? value : null;

/**
 * What is a text, else its JSON text; empty where there is nothing. Some servers give a call's
 * arguments as they are.
 */
export function textOrJson(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined || value === null ? "" : JSON.stringify(value);
}

/** The parsed text, or undefined where it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Texts up to this many characters are parsed at once: in 3 ms or less (measured). */
const SMALL_TEXT = 65_536;

/** A text this short cannot be beyond a bound. */
const SHORT_TEXT = 256;

/**
 * The parsed text, or undefined where it is not JSON. A large one is parsed in slices, so that
 * other requests do not wait for it.
 * @throws BeyondBounds
 */
export async function readJson(text: string): Promise<unknown> {
  if (text.length > SMALL_TEXT) {
    try {
      return await inSlices(parseSteps(text));
    } catch (error) {
      if (error instanceof SyntaxError) return undefined;
      throw error;
    }
  }
  if (text.length > SHORT_TEXT) checkBounds(text);
  return parseJson(text);
}

/**
 * The parsed text of a request body, or undefined where it is not JSON.
 * @throws ApiError 400 that names the bound which the text is beyond
 */
export async function readJsonBody(text: string): Promise<unknown> {
  try {
    return await readJson(text);
  } catch (error) {
    throw error instanceof BeyondBounds ? refusalOf(error) : error;
  }
}

/**
 * Looks over a body that another parser reads.
 * @throws ApiError 400 that names the bound which the text is beyond
 */
export function checkBody(text: string): void {
  try {
    checkBounds(text);
  } catch (error) {
    throw error instanceof BeyondBounds ? refusalOf(error) : error;
  }
}

/** The same of a text that nobody waits for: undefined, too, where it is beyond the bounds. */
export async function readKeptJson(text: string): Promise<unknown> {
  try {
    return await readJson(text);
  } catch (error) {
    if (error instanceof BeyondBounds) return undefined;
    throw error;
  }
}

/**
 * The parsed text, or undefined where it is not JSON, or beyond the bounds of a request body.
 * @param maxValues where fewer are wanted than a request body may have
 */
export function parseWithinBounds(text: string, maxValues?: number): unknown {
  try {
    if (text.length > SHORT_TEXT) checkBounds(text, maxValues);
  } catch (error) {
    if (error instanceof BeyondBounds) return undefined;
    throw error;
  }
  return parseJson(text);
}

/** The value when it is an array of objects in part: its objects. */
export function objectsOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/**
 * The same value with the members of all its objects in one order, so that equal values have equal
 * texts.
 */
export function sortedMembers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedMembers);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .toSorted()
      .map((name) => [name, sortedMembers(value[name])]),
  );
}
