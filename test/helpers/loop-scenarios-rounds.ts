/** How rounds become one answer. */
import { add, ADD, call, type ModelRound, type Scenario } from "./loop-scenario.ts";

const done: ModelRound = { text: "Done." };

/** Rounds that each say their text and call `@add`. */
const steps = (texts: (string | undefined)[]): ModelRound[] =>
  texts.map((text, index) => ({
    ...(text === undefined ? {} : { text }),
    calls: [add(`c${index + 1}`, index, 1)],
  }));

const wantsJson = (format: Record<string, unknown>): Pick<Scenario, "tools" | "turns"> => ({
  tools: ADD,
  turns: [
    {
      request: { response_format: format },
      rounds: [
        { text: '{"sum":0}', calls: [add("c1", 2, 3)] },
        { text: "Let me add once more.", calls: [add("c2", 3, 4)] },
        { text: '{"sum":5,"next":7}' },
      ],
      sees: { content: '{"sum":5,"next":7}' },
      alwaysSent: { members: { response_format: format } },
    },
  ],
});

const tenTexts = [
  "",
  "One.",
  "Two.\n",
  "Three.",
  "Four.\n\n",
  " Five",
  "Six.",
  undefined,
  "Seven 🦊",
];

/** Rounds, and how their texts become one message. */
export const ROUNDS: Scenario[] = [
  {
    title: "an answer without tool calls passes as it is",
    tools: ADD,
    turns: [
      {
        rounds: [done],
        sees: { content: "Done." },
        sent: { 0: { messages: ["user: go"], tools: ["@add"] } },
      },
    ],
  },
  {
    title: "a call is run, and its result told to the model",
    tools: ADD,
    turns: [
      {
        rounds: [{ calls: [add("c1", 2, 3)] }, { text: "It is 5." }],
        sees: { content: "It is 5." },
        sent: {
          1: {
            messages: ["user: go", 'assistant [c1 @add {"a":2,"b":3}]', "c1: 5"],
            tools: ["@add"],
          },
        },
      },
    ],
  },
  {
    title: "two rounds of calls, each with all that was said before",
    tools: ADD,
    turns: [
      {
        rounds: [
          { text: "First.", calls: [add("c1", 2, 3)] },
          { text: "Second.", calls: [add("c2", 5, 4)] },
          { text: "It is 9." },
        ],
        sees: { content: "First.\n\nSecond.\n\nIt is 9." },
        sent: {
          2: {
            messages: [
              "user: go",
              'assistant: First. [c1 @add {"a":2,"b":3}]',
              "c1: 5",
              'assistant: Second. [c2 @add {"a":5,"b":4}]',
              "c2: 9",
            ],
          },
        },
      },
    ],
  },
  {
    title:
      "the texts of ten rounds are one message: a blank line between two, none before the first, none after a line's end",
    tools: ADD,
    turns: [
      {
        rounds: [...steps(tenTexts), { text: "Eight." }],
        sees: { content: "One.\n\nTwo.\nThree.\n\nFour.\n\n Five\n\nSix.\n\nSeven 🦊\n\nEight." },
      },
    ],
  },
  {
    title: "of texts of which one is JSON, the client gets the last document alone: json_object",
    ...wantsJson({ type: "json_object" }),
  },
  {
    title: "of texts of which one is JSON, the client gets the last document alone: json_schema",
    ...wantsJson({
      type: "json_schema",
      json_schema: { name: "sums", schema: { type: "object" }, strict: true },
    }),
  },
  {
    title: "parallel calls are answered in the model's order, whichever ends first",
    tools: {
      "@slow": "const end = Date.now() + 200; while (Date.now() < end); return 'slow';",
      "@fast": "return 'fast';",
    },
    turns: [
      {
        rounds: [{ calls: [call("c1", "@slow"), call("c2", "@fast"), call("c3", "@slow")] }, done],
        sees: { content: "Done." },
        sent: {
          0: { tools: ["@fast", "@slow"] },
          1: {
            messages: [
              "user: go",
              "assistant [c1 @slow {}] [c2 @fast {}] [c3 @slow {}]",
              "c1: slow",
              "c2: fast",
              "c3: slow",
            ],
          },
        },
      },
    ],
  },
  {
    title: "the same call twice is run twice",
    tools: ADD,
    turns: [
      {
        rounds: [{ calls: [add("c1", 1, 1), add("c2", 1, 1)] }, done],
        sees: { content: "Done." },
        sent: {
          1: {
            messages: [
              "user: go",
              'assistant [c1 @add {"a":1,"b":1}] [c2 @add {"a":1,"b":1}]',
              "c1: 2",
              "c2: 2",
            ],
          },
        },
      },
    ],
  },
  {
    title: "12 calls at once all get their result, in the model's order",
    tools: ADD,
    turns: [
      {
        rounds: [
          { calls: Array.from({ length: 12 }, (_, index) => add(`c${index}`, index, 100)) },
          done,
        ],
        sees: { content: "Done." },
        sent: {
          1: {
            messages: [
              "user: go",
              `assistant${Array.from({ length: 12 }, (_, index) => ` [c${index} @add {"a":${index},"b":100}]`).join("")}`,
              ...Array.from({ length: 12 }, (_, index) => `c${index}: ${100 + index}`),
            ],
          },
        },
      },
    ],
  },
];
