/**
 * What a model may say in a turn, at random: values that fast-check makes, and makes smaller when
 * they fail.
 */
import fc from "fast-check";

type Json = Record<string, unknown>;

/** Tools of the key, and functions that the request brings or that nobody knows. */
export const SERVER_TOOLS = ["server_a", "server_b", "server_c"] as const;
export const CLIENT_TOOLS = ["ask", "look_up", "nobodys"] as const;

/** Text fields of a message. Null: the message does not have it. */
interface RandomTexts {
  content: string | null;
  reasoning_content: string | null;
  refusal: string | null;
}

/** One call of a round. `tool` stands for the name that the tool has in the test. */
export interface RandomCall {
  id: string;
  tool: string;
  arguments: string;
}

/**
 * Decisions of a rendering, drawn one by one, from the start again when they are used up. None at
 * all means: every time the plain way. So a rendering depends on nothing but the value, and a
 * shorter list is a simpler rendering.
 */
export type Tape = number[];

/** How a round is spelled as a stream. */
export interface Spelling {
  /** Whose turn it is next: text, reasoning, or which call. */
  order: Tape;
  /** Where texts and arguments are cut into deltas, in UTF-16 units. */
  cuts: Tape;
  /** Comments, spaces and further fields around the events. */
  lines: Tape;
  /** Where the bytes are cut into writes, and the pauses between them. */
  bytes: Tape;
  lineEnd: "\n" | "\r\n" | "\r";
  finishIn: "own chunk" | "last delta";
  usageIn: "own chunk" | "last chunk" | "every chunk";
  /** Some servers never close a connection on which they have said `[DONE]`. */
  done: "no" | "then closed" | "then open";
  byteOrderMark: boolean;
}

/** One answer of the model. */
export interface RandomRound {
  texts: RandomTexts;
  calls: RandomCall[];
  finishReason: string | null;
  usage: Json | null;
  spelling: Spelling;
}

/** What a test's request adds to its message. */
export interface RandomRequest {
  includeUsage: boolean;
  more: Json;
}

/** Texts that look like the frame around them, or that are cut badly. */
const TRICKY = [
  "data:",
  "data: [DONE]\n\n",
  "\r",
  "\n",
  "\r\n\r\n",
  ": ",
  "🙂",
  "👩‍👩‍👧",
  "é",
  "中",
  "\u2028",
  "\uFEFF",
  "\u0000",
  "\uD83D",
  '"',
  "\\",
  "}",
  " ",
];

const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(...TRICKY),
      fc.string({ maxLength: 6 }),
      fc.string({ unit: "grapheme", maxLength: 4 }),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(""));

/** A plain object, as `JSON.parse` makes them. */
const record = <T>(members: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record<T>(members, { noNullPrototype: true });

const maybe = <T>(value: fc.Arbitrary<T>, freq: number) => fc.option(value, { freq });

const texts: fc.Arbitrary<RandomTexts> = record({
  content: maybe(text, 3),
  // A field with nothing in it is no different from none, and upstreams leave it out.
  reasoning_content: maybe(text, 1).map((value) => value || null),
  refusal: fc.oneof(
    { weight: 7, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: text.map((value) => value || null) },
  ),
});

const argumentsObject = fc.dictionary(
  fc.oneof(fc.string({ maxLength: 3 }), fc.constantFrom("🙂", "data:")),
  fc.jsonValue({ maxDepth: 1 }),
  {
    maxKeys: 3,
    noNullPrototype: true,
  },
);

const goodArguments = fc
  .tuple(argumentsObject, fc.constantFrom(undefined, 2))
  .map(([value, indent]) => JSON.stringify(value, null, indent));
const anyArguments = fc.oneof(
  { weight: 9, arbitrary: goodArguments },
  { weight: 1, arbitrary: fc.constantFrom("", "[1]", '{"a":', "null", "no JSON") },
);

const count = fc.nat(5000);
const usage = fc
  .tuple(
    count,
    count,
    maybe(
      fc.record(
        { cached_tokens: count, audio_tokens: count },
        { requiredKeys: [], noNullPrototype: true },
      ),
      2,
    ),
    maybe(
      fc.record(
        { reasoning_tokens: count, accepted_prediction_tokens: count },
        { requiredKeys: [], noNullPrototype: true },
      ),
      2,
    ),
  )
  .map(([prompt, completion, promptDetails, completionDetails]) => ({
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    ...(promptDetails === null ? {} : { prompt_tokens_details: promptDetails }),
    ...(completionDetails === null ? {} : { completion_tokens_details: completionDetails }),
  }));

const tape = (maxLength: number) => fc.array(fc.nat(255), { maxLength });

const spelling: fc.Arbitrary<Spelling> = record({
  order: tape(40),
  cuts: tape(30),
  lines: tape(20),
  bytes: tape(40),
  lineEnd: fc.constantFrom("\n", "\r\n", "\r"),
  finishIn: fc.constantFrom("own chunk", "last delta"),
  usageIn: fc.constantFrom("own chunk", "last chunk", "every chunk"),
  done: fc.constantFrom("no", "then closed", "then closed", "then open"),
  byteOrderMark: fc.boolean(),
});

/** What a round of some kind may call, how often, and how it may end. */
interface Kind {
  tools: readonly string[];
  calls: { min: number; max: number };
  finishReasons: (string | null)[];
  args?: fc.Arbitrary<string>;
}

/** Whether the arguments of a call have ended. */
function isObjectText(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/**
 * Whether a stream without a reason to finish is whole: it says `[DONE]`, and not inside a call.
 */
function saysItsEnd({ calls, spelling: { done } }: RandomRound): boolean {
  const last = calls.at(-1);
  return done !== "no" && (last === undefined || isObjectText(last.arguments));
}

function round({
  tools,
  calls,
  finishReasons,
  args = anyArguments,
}: Kind): fc.Arbitrary<RandomRound> {
  const [usual = "stop"] = finishReasons;
  const call = record({ id: fc.constant(""), tool: fc.constantFrom(...tools), arguments: args });
  return record({
    texts,
    calls: fc.array(call, { minLength: calls.min, maxLength: calls.max }),
    finishReason: fc.constantFrom(...finishReasons),
    usage: maybe(usage, 4),
    spelling,
  }).map((one) => ({
    ...one,
    // A stream that ends for no reason is taken for one that was cut.
    finishReason: one.finishReason === null && !saysItsEnd(one) ? usual : one.finishReason,
  }));
}

/**
 * Gives each call an id that no other call of the turn has. Some servers' ids say the place only:
 * they are told apart by the round.
 */
const withIds = (rounds: RandomRound[]): RandomRound[] =>
  rounds.map((one, index) => ({
    ...one,
    calls: one.calls.map((call, position) => ({ ...call, id: `call_${index}_${position}` })),
  }));

/** Whether the proxy runs this call. */
export const isServerCall = ({ tool }: RandomCall): boolean =>
  (SERVER_TOOLS as readonly string[]).includes(tool);

const BETWEEN: Kind = {
  tools: SERVER_TOOLS,
  calls: { min: 1, max: 4 },
  finishReasons: ["tool_calls", "stop", null],
};
const LAST: fc.Arbitrary<RandomRound> = fc.oneof(
  round({
    tools: CLIENT_TOOLS,
    calls: { min: 0, max: 0 },
    finishReasons: ["stop", "length", "content_filter", null],
  }),
  round({
    tools: CLIENT_TOOLS,
    calls: { min: 1, max: 4 },
    finishReasons: ["tool_calls", "stop", null],
  }),
  round({
    tools: [...SERVER_TOOLS, ...CLIENT_TOOLS],
    calls: { min: 1, max: 4 },
    finishReasons: ["tool_calls", "stop", null],
  }).filter(({ calls }) => !calls.every(isServerCall)),
);

/**
 * A turn of 1 to 4 rounds: the others call server tools only; the last one calls nothing, or the
 * client's, or both sides'.
 */
export const randomTurn: fc.Arbitrary<RandomRound[]> = fc
  .tuple(fc.array(round(BETWEEN), { maxLength: 3 }), LAST)
  .map(([before, last]) => withIds([...before, last]));

/**
 * A mixed round, with calls of both sides in any order, and a round before it that the client does
 * not see, or none.
 */
const mixedLeg: fc.Arbitrary<RandomRound[]> = fc
  .tuple(
    fc.array(round({ ...BETWEEN, args: goodArguments }), { maxLength: 1 }),
    round({
      tools: [...SERVER_TOOLS, ...CLIENT_TOOLS],
      calls: { min: 2, max: 6 },
      finishReasons: ["tool_calls", "stop"],
      args: goodArguments,
    }),
  )
  .filter(([, { calls }]) => calls.some(isServerCall) && !calls.every(isServerCall))
  .map(([before, mixed]) => [...before, mixed]);

/**
 * Rounds that end in a mixed one, once or twice: after each of them the client has to come back.
 */
export const randomMixedLegs: fc.Arbitrary<RandomRound[][]> = fc
  .array(mixedLeg, { minLength: 1, maxLength: 2 })
  .map((legs) => {
    const rounds = withIds(legs.flat());
    return legs.map((leg) => rounds.splice(0, leg.length));
  });

/**
 * A request's other fields. None of them changes what must be equal of a streamed and a whole
 * answer.
 */
export const randomRequest: fc.Arbitrary<RandomRequest> = record({
  includeUsage: fc.boolean(),
  more: fc.constantFrom<Json>(
    {},
    { response_format: { type: "json_object" } },
    { tool_choice: "required" },
    { temperature: 0.5 },
  ),
});

/** How a client comes back from mixed rounds, and goes on. */
export interface RandomReturn {
  /** Whether its requests are streamed: the odd ones, the even ones. */
  streamed: [boolean, boolean];
  /** Its results come sorted by these numbers, which are moved by one place for each request. */
  order: number[];
  /** What each result begins with. */
  result: string;
  /** Whether arguments and text come back in another spelling. */
  respelled: boolean;
  /** Whether the user says something more beside the last results. */
  goesOn: boolean;
}

/** A client's return. */
export const randomReturn: fc.Arbitrary<RandomReturn> = record({
  streamed: fc.tuple(fc.boolean(), fc.boolean()),
  order: fc.array(fc.nat(9), { minLength: 6, maxLength: 6 }),
  result: text,
  respelled: fc.boolean(),
  goesOn: fc.boolean(),
});

/**
 * Something that happens to one round's stream: it breaks at a byte, or there is an error object
 * among its events.
 */
export interface Damage {
  kind: "broken off" | "an error";
  round: number;
  /** Where: in 65,535ths of the bytes; or the event, modulo their number. */
  at: number;
  /** What comes of the connection after an error. */
  ending: "ends" | "breaks" | "stays open";
}

/** Damage of any round, at any place. */
export const randomDamage: fc.Arbitrary<Damage> = record({
  kind: fc.constantFrom("broken off", "an error"),
  round: fc.nat(3),
  at: fc.nat(65_535),
  ending: fc.constantFrom("ends", "breaks", "stays open"),
});
