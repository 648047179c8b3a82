/**
 * Zod leaves out members called `__proto__`, without a word. In what operators write it is a name
 * like others (of a variable, a header, a parameter), so it is checked under another one.
 */
import { z } from "zod";
import { isObject } from "../openai/json.ts";

const NAME = "__proto__";
/** A name that whatever takes the other takes too, and that nobody has. */
const STAND_IN = "__proto__b1946ac92492";

const isPlain = (value: unknown): value is Record<string, unknown> =>
  isObject(value) && Object.getPrototypeOf(value) === Object.prototype;

/** A value in which all members of one name have another. */
function renamed(value: unknown, from: string, to: string): unknown {
  if (Array.isArray(value)) return value.map((item) => renamed(item, from, to));
  if (!isPlain(value)) return value;
  const members = Object.entries(value);
  return Object.fromEntries(
    members.map(([name, member]) => [name === from ? to : name, renamed(member, from, to)]),
  );
}

/** A sentence about a value, with the names that it was given with. */
export const withGivenNames = (text: string): string => text.replaceAll(STAND_IN, NAME);

/** Checks a JSON value against a schema. No member of it is lost. */
export async function parseWhole<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
): Promise<z.ZodSafeParseResult<z.output<Schema>>> {
  if (!JSON.stringify(value).includes(`"${NAME}"`)) return schema.safeParseAsync(value);
  const result = await schema.safeParseAsync(renamed(value, NAME, STAND_IN));
  if (!result.success) return result;
  return { ...result, data: renamed(result.data, STAND_IN, NAME) as z.output<Schema> };
}
