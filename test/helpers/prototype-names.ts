/** Names that every object of JavaScript has already, as somebody else may call a member. */
export const PROTOTYPE_NAMES = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "valueOf",
] as const;

type Json = Record<string, unknown>;

/** What a prototype that was reached would give to all other objects. */
const EVIL = {
  polluted: "polluted",
  n: 2,
  tools: [],
  serverTools: null,
  error: { message: "polluted" },
  toJSON: "polluted",
  status: 599,
};

/** An object with a member of each name, which is the object's own. */
export const seeded = (value: unknown = EVIL): Json =>
  Object.fromEntries(PROTOTYPE_NAMES.map((name) => [name, value]));

/** Those of the names that a JSON object does not have as members of its own. */
export const missingNames = (value: unknown): string[] =>
  PROTOTYPE_NAMES.filter((name) => !Object.hasOwn(Object(value) as object, name));

const SHARED = [Object, Function, Array, String, Number, Boolean, Map, Promise];

/** All that objects share in this process, as text. */
export function sharedMembers(): string {
  const own = SHARED.flatMap((shared) => [shared as object, shared.prototype as object]);
  return JSON.stringify(own.map((one) => Reflect.ownKeys(one).map(String)));
}
