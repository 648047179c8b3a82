/** Random rounds of a model, for upstreams that say the same in both dialects. */
import fc from "fast-check";
import type { SaidRound, Writes } from "./both-dialects.ts";

/** Whose tool a call is of. */
export const SERVER = "server";
export const CLIENT = "ask_user";

/** What a model says, and how its stream is written. */
export interface RandomRound {
  said: SaidRound;
  writes: Writes;
}

const text = fc.oneof(
  fc.constant(""),
  fc.string({ minLength: 1, maxLength: 12 }),
  fc.constantFrom("🙂 data: [DONE]\n\n", "é\r\n中", "\u2028event: error", '"}', "\uD83D"),
);
const goodArguments = fc
  .dictionary(fc.string({ maxLength: 3 }), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 2 })
  .map((value) => JSON.stringify(value));
const anyArguments = fc.oneof(
  { weight: 6, arbitrary: goodArguments },
  { weight: 1, arbitrary: fc.constantFrom("", " ", "[1]", '{"a":', "null") },
);
const count = fc.nat(5000);
const usage = fc.option(
  fc.record({ prompt: count, cached: count, completion: count, reasoning: count }),
  { freq: 5 },
);
/** Events that some servers leave out. */
const LEFT_OUT = [
  "response.created",
  "response.in_progress",
  "response.output_item.added",
  "response.content_part.added",
  "response.content_part.done",
  "response.output_text.delta",
  "response.output_text.done",
  "response.refusal.done",
  "response.function_call_arguments.delta",
  "response.function_call_arguments.done",
  "response.reasoning_summary_part.added",
  "response.reasoning_summary_part.done",
  "response.reasoning_summary_text.done",
];

const writes: fc.Arbitrary<Writes> = fc.record({
  leftOut: fc.subarray(LEFT_OUT, { maxLength: 4 }),
  cuts: fc.array(fc.nat(4000), { maxLength: 6 }),
  lineEnd: fc.constantFrom("\n" as const, "\r\n" as const),
});

function round(
  tools: string[],
  calls: { min: number; max: number },
  cutBy: (SaidRound["cutBy"] | "no")[] = ["no"],
): fc.Arbitrary<RandomRound> {
  const call = fc.record({ name: fc.constantFrom(...tools), arguments: anyArguments });
  return fc
    .record({
      texts: fc.record({ reasoning: text, content: text, refusal: fc.option(text, { nil: "" }) }),
      calls: fc.array(call, { minLength: calls.min, maxLength: calls.max }),
      usage,
      cutBy: fc.constantFrom(...cutBy),
      writes,
    })
    .map(({ texts, calls: made, usage: used, cutBy: cut, writes: written }) => ({
      said: {
        ...texts,
        calls: made.map((one) => ({ id: "", ...one })),
        usage: used,
        ...(cut === "no" || cut === undefined ? {} : { cutBy: cut }),
      },
      writes: written,
    }));
}

/** Gives each call an id that no other call of the turn has. */
const withIds = (rounds: RandomRound[]): RandomRound[] =>
  rounds.map(({ said, ...others }, index) => ({
    ...others,
    said: {
      ...said,
      calls: (said.calls ?? []).map((call, place) => ({ ...call, id: `call_${index}_${place}` })),
    },
  }));

const between = round([SERVER], { min: 1, max: 3 });
const last = fc.oneof(
  round([CLIENT], { min: 0, max: 0 }, ["no", "length", "content_filter"]),
  round([CLIENT], { min: 1, max: 2 }, ["no", "no", "length"]),
  round([SERVER, CLIENT], { min: 2, max: 4 }).filter(({ said }) =>
    (said.calls ?? []).some(({ name }) => name === CLIENT),
  ),
);
/** The rounds of a turn: of the server's tools, and then one that ends it. */
export const randomTurn = fc
  .tuple(fc.array(between, { maxLength: 2 }), last)
  .map(([before, end]) => withIds([...before, end]));
