/** JSON that comes from elsewhere. */

/** A JSON object whose members are not known. */
export type Json = Record<string, unknown>;

/** Whether a value is a JSON object. */
export const isJson = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A member under a name that others chose, where the object has one of its own. */
export const ownMember = (value: Json, name: string): unknown =>
  Object.hasOwn(value, name) ? value[name] : undefined;

/** The object that is a member of a value; an empty one where there is none. */
export function objectAt(value: unknown, name: string): Json {
  const member = isJson(value) ? ownMember(value, name) : undefined;
  return isJson(member) ? member : {};
}

/** The value of a JSON text; undefined where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
