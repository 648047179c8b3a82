/** Who decides which tools there are, and when the loop stops. */
import { expect } from "vitest";
import {
  add,
  ADD,
  asks,
  call,
  clientTool,
  returning,
  type ModelRound,
  type Scenario,
} from "./loop-scenario.ts";

const SUB = { "@sub": "return args.a - args.b;" };
const answer: ModelRound = { text: "Done." };
const functionChoice = (name: string) => ({ type: "function", function: { name } });
const allowed = (mode: string) => ({
  type: "allowed_tools",
  allowed_tools: { mode, tools: [functionChoice("@add")] },
});

/** A forced choice, and what becomes of it after the first round. */
const forced = (title: string, choice: unknown, later: unknown): Scenario => ({
  title,
  tools: ADD,
  turns: [
    {
      request: { tool_choice: choice },
      rounds: [{ calls: [add("c1", 1, 2)] }, { calls: [add("c2", 3, 4)] }, answer],
      sees: { content: "Done." },
      sent: Object.fromEntries(
        [choice, later, later].map((value, index) => [index, { members: { tool_choice: value } }]),
      ),
    },
  ],
});

/** A request that the loop leaves alone. */
const untouched = (
  title: string,
  request: Record<string, unknown>,
  headers: Record<string, string> = {},
): Scenario => ({
  title,
  tools: ADD,
  turns: [
    {
      request,
      headers,
      rounds: [{ text: "Plain." }],
      sees: { content: "Plain." },
      untouched: true,
    },
  ],
});

/** Which tools are offered. */
export const CHOICES: Scenario[] = [
  forced("tool_choice required is for the first round, then the model is free", "required", "auto"),
  forced(
    "a named tool is for the first round, then the model is free",
    functionChoice("@add"),
    "auto",
  ),
  forced(
    "required allowed_tools are for the first round, then the same tools are allowed",
    allowed("required"),
    allowed("auto"),
  ),
  forced("tool_choice auto stays", "auto", "auto"),
  untouched("tool_choice none: the request passes untouched", { tool_choice: "none" }),
  untouched("several answers at once: the request passes untouched", { n: 2 }),
  untouched("deprecated functions: the request passes untouched", {
    functions: [{ name: "old", parameters: {} }],
    function_call: "auto",
  }),
  untouched("x-proxy-tools none: the request passes untouched", {}, { "x-proxy-tools": "none" }),
  {
    title: "x-proxy-tools picks some of the key's tools, and the others are nobody's",
    tools: { ...ADD, ...SUB },
    turns: [
      {
        headers: { "x-proxy-tools": " @add ," },
        rounds: [{ calls: [add("c1", 2, 3)] }, { text: "5." }],
        sees: { content: "5." },
        alwaysSent: { tools: ["@add"] },
      },
    ],
  },
  {
    title:
      "x-proxy-tools with a name that the key does not have is refused, and upstream is not asked",
    tools: { ...ADD, ...SUB },
    turns: [
      {
        headers: { "x-proxy-tools": "@add, multiply" },
        rounds: [],
        refused: { status: 400, message: "multiply" },
      },
    ],
  },
  {
    title:
      "a client's tool wins over the server's of the same name, and its calls are the client's",
    tools: { ...ADD, ...SUB },
    turns: [
      {
        request: { tools: [clientTool("@add")] },
        rounds: [{ calls: [call("c1", "@sub", { a: 9, b: 2 })] }, { calls: [add("u1", 7, 1)] }],
        sees: { calls: [add("u1", 7, 1)] },
        alwaysSent: {
          tools: ["@add", "@sub"],
          members: { tools: [clientTool("@add"), expect.objectContaining({ type: "function" })] },
        },
        sent: { 1: { messages: ["user: go", 'assistant [c1 @sub {"a":9,"b":2}]', "c1: 7"] } },
      },
    ],
  },
  {
    title: "a call of a name that nobody owns is the client's",
    tools: ADD,
    turns: [
      {
        rounds: [{ text: "Boo.", calls: [call("u1", "ghost", { who: "me" })] }],
        sees: { content: "Boo.", calls: [call("u1", "ghost", { who: "me" })] },
      },
    ],
  },
  {
    title: "client tools come first, the key's tools after them by name, in every round the same",
    tools: { ...SUB, ...ADD },
    turns: [
      {
        request: { tools: [clientTool("zoo"), clientTool("ask")] },
        rounds: [{ calls: [add("c1", 2, 3)] }, { calls: [asks("u1")] }],
        sees: { calls: [asks("u1")] },
        alwaysSent: { tools: ["zoo", "ask", "@add", "@sub"] },
      },
    ],
  },
];

const never = (count: number): ModelRound[] =>
  Array.from({ length: count }, (_, index) => ({
    text: `${index + 1}`,
    calls: [add(`c${index + 1}`, index, 1)],
  }));

const notRun = (id: string): unknown =>
  expect.stringMatching(new RegExp(`^${id}: Error: not run.*limit of \\d+ rounds`));

/** When it stops. */
export const LIMITS: Scenario[] = [
  {
    title: "after ten rounds pending calls are told so, and one last round without tools answers",
    tools: ADD,
    turns: [
      {
        rounds: [...never(10), { text: "That is all." }],
        sees: { content: "1\n\n2\n\n3\n\n4\n\n5\n\n6\n\n7\n\n8\n\n9\n\n10\n\nThat is all." },
        sent: {
          9: { members: { tool_choice: undefined } },
          10: {
            tools: ["@add"],
            members: { tool_choice: "none" },
            messages: [
              "user: go",
              ...Array.from({ length: 10 }, (_, index) => [
                `assistant: ${index + 1} [c${index + 1} @add {"a":${index},"b":1}]`,
                index === 9 ? notRun("c10") : `c${index + 1}: ${index + 1}`,
              ]).flat(),
            ],
          },
        },
      },
    ],
  },
  {
    title: "a key's own round limit stops the loop, also below a forced choice",
    tools: ADD,
    key: { toolMaxRounds: 2 },
    turns: [
      {
        request: { tool_choice: "required" },
        rounds: [...never(2), { text: "That is all." }],
        sees: { content: "1\n\n2\n\nThat is all." },
        sent: {
          0: { members: { tool_choice: "required" } },
          1: { members: { tool_choice: "auto" } },
          2: {
            members: { tool_choice: "none" },
            messages: expect.arrayContaining(["c1: 1", notRun("c2")]) as unknown[],
          },
        },
      },
    ],
  },
  {
    title: "a key's round limit may be above the server's, and is changed with PATCH",
    tools: ADD,
    turns: [
      {
        keyChanges: { toolMaxRounds: 12 },
        rounds: [...never(11).map(({ calls = [] }) => ({ calls })), { text: "Twelve rounds." }],
        sees: { content: "Twelve rounds." },
        sent: { 11: { members: { tool_choice: undefined } } },
      },
      {
        keyChanges: { toolMaxRounds: 1 },
        messages: (before) => before,
        rounds: [...never(1), { text: "Two." }],
        sees: { content: "1\n\nTwo." },
        sent: {
          1: {
            members: { tool_choice: "none" },
            messages: expect.arrayContaining([notRun("c1")]) as unknown[],
          },
        },
      },
    ],
  },
  {
    title:
      "a mixed round at the limit: the client gets its call, and the server's has a result that says so",
    tools: ADD,
    key: { toolMaxRounds: 2 },
    turns: [
      {
        request: { tools: [clientTool("ask")] },
        rounds: [{ calls: [add("c1", 1, 2)] }, { calls: [add("c2", 3, 4), asks("u1")] }],
        sees: { calls: [asks("u1")] },
      },
      {
        request: { tools: [clientTool("ask")] },
        messages: returning({ u1: "yes" }),
        rounds: [{ text: "Fine." }],
        sees: { content: "Fine." },
        sent: {
          0: {
            messages: [
              "user: go",
              'assistant [c1 @add {"a":1,"b":2}]',
              "c1: 3",
              'assistant [c2 @add {"a":3,"b":4}] [u1 ask {"q":"?"}]',
              notRun("c2"),
              "u1: yes",
            ],
          },
        },
      },
    ],
  },
  {
    title: "in the last round a client's call is given to the client, and a server's is not shown",
    tools: ADD,
    key: { toolMaxRounds: 1 },
    turns: [
      {
        request: { tools: [clientTool("ask")] },
        rounds: [
          { calls: [add("c1", 1, 2)] },
          { text: "Ask.", calls: [add("c2", 3, 4), asks("u1")] },
        ],
        sees: { content: "Ask.", calls: [asks("u1")] },
        sent: { 1: { members: { tool_choice: "none" }, tools: ["ask", "@add"] } },
      },
      {
        messages: (before) => before.slice(0, 1),
        rounds: [{ calls: [add("c1", 1, 2)] }, { text: "No.", calls: [add("c2", 3, 4)] }],
        sees: { content: "No.", finishReason: "stop" },
      },
    ],
  },
];
