import type { FunctionFailureKind } from "../../platform.ts";

/**
 * The file name under which the operator's code is compiled, by which its lines are found in a
 * stack.
 */
export const FILE_NAME = "implementation";

/**
 * What is known of a value that the operator's code threw: the JSON that `describe` in
 * quickjs-prelude.ts makes.
 */
export interface ThrownValue {
  /** Empty when the value is not an Error. */
  name: string;
  message: string;
  stack: string;
}

/** Why a call failed, for its caller. */
export interface FunctionFailure {
  kind: FunctionFailureKind;
  message: string;
}

/** QuickJS's own words for a limit, and the kind of failure that they mean. */
const ENGINE_MESSAGES: readonly { message: string; kind: FunctionFailureKind }[] = [
  { message: "out of memory", kind: "memory" },
  { message: "string too long", kind: "memory" },
  { message: "stack overflow", kind: "stack" },
];

/** What a person can do with a syntax error whose message alone says little. */
const SYNTAX_HINTS: readonly { pattern: RegExp; hint: string }[] = [
  {
    pattern: /^\s*import\b(?!\s*\()/m,
    hint: "import statements do not exist here: a tool is the body of one function and has no modules",
  },
  {
    pattern: /^\s*export\b/m,
    hint: "export statements do not exist here: a tool is the body of one function that returns its result",
  },
];

/**
 * The line of the implementation at which a stack begins, as " (line 3)", or nothing when it is not
 * there.
 */
function lineOf(stack: string, implementation: string): string {
  const found = /\bimplementation:(\d+)/.exec(stack);
  if (!found) return "";
  // An unclosed bracket is only noticed in the wrapper's last line, which is not one of the
  // operator's.
  return ` (line ${Math.min(Number(found[1]), implementation.split("\n").length)})`;
}

function kindOf(thrown: ThrownValue): FunctionFailureKind {
  const fromEngine =
    thrown.name === "InternalError" ||
    thrown.name === "SyntaxError" ||
    thrown.name === "RangeError";
  return (
    (fromEngine && ENGINE_MESSAGES.find((row) => row.message === thrown.message)?.kind) || "error"
  );
}

/**
 * The failure that a thrown value amounts to: its name and message, and where in the implementation
 * it came from.
 */
export function failureOf(thrown: ThrownValue, implementation: string): FunctionFailure {
  const text =
    thrown.name === ""
      ? thrown.message
      : thrown.message === ""
        ? thrown.name
        : `${thrown.name}: ${thrown.message}`;
  return { kind: kindOf(thrown), message: `${text}${lineOf(thrown.stack, implementation)}` };
}

/** As {@link failureOf}, for code that does not parse. */
export function syntaxFailureOf(thrown: ThrownValue, implementation: string): FunctionFailure {
  // QuickJS shows the end of the text as the token ''.
  const message = thrown.message.endsWith(": ''") ? "unexpected end of the code" : thrown.message;
  const failure = failureOf({ ...thrown, message }, implementation);
  const hint = SYNTAX_HINTS.find(({ pattern }) => pattern.test(implementation))?.hint;
  return hint === undefined ? failure : { ...failure, message: `${failure.message}: ${hint}` };
}
