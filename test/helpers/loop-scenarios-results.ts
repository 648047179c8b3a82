/** What the model is told of a call, whatever becomes of it. */
import { expect } from "vitest";
import { add, ADD, call, type Call, type ClientTurn, type Scenario } from "./loop-scenario.ts";

const told = (text: string): unknown => expect.stringContaining(text);
const matching = (pattern: RegExp): unknown => expect.stringMatching(pattern);

/** Arguments as the history has them: upstreams that read it refuse what is no JSON object. */
function takenBack(args: string): string {
  try {
    const value: unknown = JSON.parse(args);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? args : "{}";
  } catch {
    return "{}";
  }
}

/** One round with these calls, each with what the model is told of it; then an answer. */
function afterCalls(calls: [Call, unknown][]): ClientTurn {
  const spelled = calls.map(
    ([{ id, name, arguments: args }]) => ` [${id} ${name} ${takenBack(args)}]`,
  );
  return {
    rounds: [{ calls: calls.map(([made]) => made) }, { text: "I see." }],
    sees: { content: "I see." },
    sent: {
      1: {
        messages: [
          "user: go",
          `assistant${spelled.join("")}`,
          ...calls.map(([, result]) => result),
        ],
      },
    },
  };
}

/** A tool for each returned expression; each is called once. */
function returned(
  expressions: [source: string, text: string][],
): Pick<Scenario, "tools" | "turns"> {
  const rows = expressions.map(([source, text], index) => ({
    source,
    text,
    name: `@value${index}`,
    id: `c${index}`,
  }));
  return {
    tools: Object.fromEntries(rows.map(({ name, source }) => [name, `return ${source};`])),
    turns: [afterCalls(rows.map(({ id, name, text }) => [call(id, name), `${id}: ${text}`]))],
  };
}

const failing = { "@bad": "throw new Error('no luck');" };

/** Calls that go well, and calls that do not: none of them fails the response. */
export const RESULTS: Scenario[] = [
  {
    title: "empty arguments are an empty object",
    tools: { "@now": "return Object.keys(args).length;" },
    turns: [
      afterCalls([
        [call("c1", "@now", ""), "c1: 0"],
        [call("c2", "@now", {}), "c2: 0"],
      ]),
    ],
  },
  {
    title: "arguments that are no JSON, or no object, are the model's to correct",
    tools: ADD,
    turns: [
      afterCalls([
        [call("c1", "@add", '{"a":2,"b":'), matching(/^c1: Error: .*not valid JSON/)],
        [call("c2", "@add", "[2,3]"), matching(/^c2: Error: .*must be a JSON object/)],
        [add("c3", 2, 3), "c3: 5"],
      ]),
    ],
  },
  {
    title: "arguments that violate the schema are not run, and the model is told where",
    tools: { "@add": { ...ADD["@add"], implementation: "throw new Error('it was run');" } },
    turns: [
      afterCalls([
        [call("c1", "@add", { a: 2 }), matching(/^c1: Error: .*parameters[^]*"b"/)],
        [
          call("c2", "@add", { a: 2, b: "three" }),
          matching(/^c2: Error: .*parameters[^]*b[^]*number/),
        ],
      ]),
    ],
  },
  {
    title: "a tool that throws is a result that says what it threw",
    tools: {
      "@bad": "throw new TypeError('no luck today');",
      "@word": "throw 'just a word';",
      "@null": "throw null;",
    },
    turns: [
      afterCalls([
        [call("c1", "@bad"), told("c1: Error: TypeError: no luck today")],
        [call("c2", "@word"), told("c2: Error: just a word")],
        [call("c3", "@null"), matching(/^c3: Error: ./)],
      ]),
    ],
  },
  {
    title: "a returned string is told as it is, anything else as its JSON",
    ...returned([
      ["undefined", "null"],
      ["null", "null"],
      ["'plain \"text\"'", 'plain "text"'],
      ["{ a: [1, { b: null }] }", '{"a":[1,{"b":null}]}'],
      ["[1, 'two', false]", '[1,"two",false]'],
      ["1.5", "1.5"],
      ["'{\"a\": 1}'", '{"a": 1}'],
      ["Promise.resolve('later')", "later"],
    ]),
  },
  {
    title: "emoji, half an emoji and NUL in a result reach the model as valid text",
    ...returned([
      ["'🦊 naïve 日本'", "🦊 naïve 日本"],
      ["'half \\ud83e!'", "half \uFFFD!"],
      ["'a\\u0000b'", "a\0b"],
    ]),
  },
  {
    title: "what JSON cannot say is a failure of the tool, not of the response",
    tools: {
      "@big": "return 10n;",
      "@ring": "const ring = {}; ring.ring = ring; return ring;",
      "@code": "return () => 1;",
    },
    turns: [
      afterCalls([
        [call("c1", "@big"), matching(/^c1: Error: ./)],
        [call("c2", "@ring"), matching(/^c2: Error: ./)],
        [call("c3", "@code"), matching(/^c3: Error: ./)],
      ]),
    ],
  },
  {
    title: "a result of 100 KB is cut at 64 KB, with a note that the model can see",
    tools: {
      "@long": "return 'x'.repeat(102400);",
      "@wide": "return '🦊'.repeat(25600);",
      "@just": "return 'y'.repeat(65536);",
    },
    turns: [
      afterCalls([
        [call("c1", "@long"), matching(/^c1: x{65536}\n\[cut: .*102400 bytes.*65536/)],
        [call("c2", "@wide"), matching(/^c2: (?:🦊){16384}\n\[cut: .*102400 bytes.*65536/u)],
        [call("c3", "@just"), matching(/^c3: y{65536}$/)],
      ]),
    ],
  },
  {
    title: "a tool that runs over its time limit is a result that says so",
    tools: {
      "@endless": { timeoutMs: 100, implementation: "for (;;);" },
      "@quick": "return 'quick';",
    },
    turns: [
      afterCalls([
        [call("c1", "@endless"), matching(/^c1: Error: .*time limit/)],
        [call("c2", "@quick"), "c2: quick"],
      ]),
    ],
  },
  {
    title: "a tool that failed 3 times is not offered in the next round, the others are",
    tools: { ...ADD, ...failing },
    turns: [
      {
        rounds: [
          { calls: [call("c1", "@bad")] },
          { calls: [call("c2", "@bad"), add("c3", 1, 2)] },
          { calls: [call("c4", "@bad")] },
          { calls: [call("c5", "@bad"), add("c6", 3, 4)] },
          { text: "I give up." },
        ],
        sees: { content: "I give up." },
        sent: {
          2: { tools: ["@add", "@bad"] },
          3: { tools: ["@add"] },
          4: {
            tools: ["@add"],
            messages: [
              "user: go",
              "assistant [c1 @bad {}]",
              told("no luck"),
              'assistant [c2 @bad {}] [c3 @add {"a":1,"b":2}]',
              told("no luck"),
              "c3: 3",
              "assistant [c4 @bad {}]",
              told("no luck"),
              'assistant [c5 @bad {}] [c6 @add {"a":3,"b":4}]',
              matching(/^c5: Error: not run.*withdrawn/),
              "c6: 7",
            ],
          },
        },
      },
    ],
  },
  {
    title:
      "when the only tool is withdrawn, everything that upstreams refuse without tools goes with it",
    tools: failing,
    turns: [
      {
        request: { tool_choice: "required", parallel_tool_calls: true },
        rounds: [
          { calls: [1, 2, 3].map((number) => call(`c${number}`, "@bad")) },
          { text: "I give up." },
        ],
        sees: { content: "I give up." },
        sent: {
          0: { tools: ["@bad"], members: { tool_choice: "required", parallel_tool_calls: true } },
          1: { tools: null, members: { tool_choice: undefined, parallel_tool_calls: undefined } },
        },
      },
    ],
  },
];
