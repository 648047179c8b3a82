/**
 * Server and client calls together: the client sees its own, the model sees one consistent history.
 */
import { expect } from "vitest";
import {
  add,
  ADD,
  asks,
  clientTool,
  returning,
  saying,
  type ClientTurn,
  type History,
  type Json,
  type Scenario,
} from "./loop-scenario.ts";

const request = { tools: [clientTool("ask")] };

/**
 * A first request whose answer mixes calls: server calls before, between and after the client's.
 */
const MIXED: ClientTurn = {
  request,
  rounds: [
    {
      text: "Let me see.",
      calls: [
        add("c1", 1, 2),
        asks("u1", "one?"),
        add("c2", 3, 4),
        asks("u2", "two?"),
        add("c3", 5, 6),
      ],
    },
  ],
  sees: { content: "Let me see.", calls: [asks("u1", "one?"), asks("u2", "two?")] },
};

/** The same from a model that reasons: an application does not send its reasoning back. */
const THOUGHT: ClientTurn = {
  ...MIXED,
  rounds: MIXED.rounds.map((round) => ({ ...round, reasoning: "Think." })),
  sees: { ...MIXED.sees, reasoning: "Think." },
};

const MIXED_ANSWER =
  'assistant: Let me see. [c1 @add {"a":1,"b":2}] [u1 ask {"q":"one?"}] [c2 @add {"a":3,"b":4}] [u2 ask {"q":"two?"}] [c3 @add {"a":5,"b":6}]';
const VISIBLE_ANSWER = 'assistant: Let me see. [u1 ask {"q":"one?"}] [u2 ask {"q":"two?"}]';

/** The client's return after {@link MIXED}, and the messages that upstream must be sent. */
const comesBack = (messages: History, sent: unknown[]): ClientTurn => ({
  request,
  messages,
  rounds: [{ text: "All is well." }],
  sees: { content: "All is well." },
  sent: { 0: { messages: sent, tools: ["ask", "@add"] } },
});

const spliced = (u1: unknown, u2: unknown) => [
  "user: go",
  MIXED_ANSWER,
  "c1: 3",
  u1,
  "c2: 7",
  u2,
  "c3: 11",
];
const noResult = (id: string): unknown =>
  expect.stringMatching(new RegExp(`^${id}: .*no result`, "i"));

/** As `returning`, from an edited request and an edited answer. */
const editing =
  (edit: (message: Json) => Json): History =>
  (before, answer) =>
    returning({ u1: "one", u2: "two" })(before.map(edit), edit(answer));

const isRole = (message: Json, role: string) => message["role"] === role;

/** Mixed rounds, and the client's return. */
export const MIXED_ROUNDS: Scenario[] = [
  {
    title:
      "a round with client calls only ends the turn, and is sent back by the client as any history",
    tools: ADD,
    turns: [
      {
        request,
        rounds: [{ text: "Hm.", calls: [asks("u1")] }],
        sees: { content: "Hm.", calls: [asks("u1")] },
      },
      {
        request,
        messages: returning({ u1: "yes" }),
        rounds: [{ calls: [add("c1", 1, 2)] }, { text: "Good." }],
        sees: { content: "Good." },
        sent: {
          1: {
            messages: [
              "user: go",
              'assistant: Hm. [u1 ask {"q":"?"}]',
              "u1: yes",
              'assistant [c1 @add {"a":1,"b":2}]',
              "c1: 3",
            ],
          },
        },
      },
    ],
  },
  {
    title: "of a mixed round the client sees its own calls only, whatever stands between them",
    tools: ADD,
    turns: [MIXED],
  },
  {
    title:
      "after a mixed round the model finds its own answer, and one result for each call, in its order",
    tools: ADD,
    turns: [MIXED, comesBack(returning({ u1: "one", u2: "two" }), spliced("u1: one", "u2: two"))],
  },
  {
    title: "a client may stream one request and not the next: the history is the same",
    tools: ADD,
    alternates: true,
    turns: [MIXED, comesBack(returning({ u1: "one", u2: "two" }), spliced("u1: one", "u2: two"))],
  },
  {
    title: "the reasoning of a mixed round is in the model's answer when the client comes back",
    tools: ADD,
    turns: [
      THOUGHT,
      {
        request,
        messages: returning({ u1: "one", u2: "two" }),
        rounds: [{ text: "Well." }],
        sees: { content: "Well." },
        alwaysSent: { spelled: ['"reasoning_content":"Think."'] },
      },
    ],
  },
  {
    title: "a client's results in another order are put into the model's",
    tools: ADD,
    turns: [MIXED, comesBack(returning({ u2: "two", u1: "one" }), spliced("u1: one", "u2: two"))],
  },
  {
    title: "a result that the client does not bring is a result that says so",
    tools: ADD,
    turns: [MIXED, comesBack(returning({ u2: "two" }), spliced(noResult("u1"), "u2: two"))],
  },
  {
    title: "a user who goes on instead of answering leaves a history that the model can read",
    tools: ADD,
    turns: [
      MIXED,
      comesBack(saying("Never mind."), [
        ...spliced(noResult("u1"), noResult("u2")),
        "user: Never mind.",
      ]),
    ],
  },
  {
    title: "an answer that the client has edited is left as the client has it",
    tools: ADD,
    turns: [
      MIXED,
      comesBack(
        editing((message) =>
          isRole(message, "assistant") ? { ...message, content: "I ask you." } : message,
        ),
        ["user: go", VISIBLE_ANSWER.replace("Let me see.", "I ask you."), "u1: one", "u2: two"],
      ),
    ],
  },
  {
    title: "after an edited question nothing of the old turn comes back",
    tools: ADD,
    turns: [
      MIXED,
      comesBack(
        editing((message) => (isRole(message, "user") ? { ...message, content: "stay" } : message)),
        ["user: stay", VISIBLE_ANSWER, "u1: one", "u2: two"],
      ),
    ],
  },
  {
    title: "another system message, and text as content parts, are the same history",
    tools: ADD,
    turns: [
      {
        ...MIXED,
        messages: () => [
          { role: "system", content: "It is 9:00." },
          { role: "user", content: "go" },
        ],
      },
      comesBack(
        editing((message) => {
          if (isRole(message, "system")) return { ...message, content: "It is 9:01." };
          return isRole(message, "assistant")
            ? { ...message, content: [{ type: "text", text: message["content"] }] }
            : message;
        }),
        ["system: It is 9:01.", ...spliced("u1: one", "u2: two")],
      ),
    ],
  },
  {
    title: "a client that asks the same again after its return finds the same history",
    tools: ADD,
    turns: [
      MIXED,
      comesBack(returning({ u1: "one", u2: "two" }), spliced("u1: one", "u2: two")),
      comesBack((before) => before, spliced("u1: one", "u2: two")),
    ],
  },
  {
    title: "a hidden round before a round of client calls is there when the client comes back",
    tools: ADD,
    turns: [
      {
        request,
        rounds: [
          { text: "First.", calls: [add("c1", 1, 2)] },
          { text: "Second.", calls: [asks("u1")] },
        ],
        sees: { content: "First.\n\nSecond.", calls: [asks("u1")] },
      },
      comesBack(returning({ u1: "yes" }), [
        "user: go",
        'assistant: First. [c1 @add {"a":1,"b":2}]',
        "c1: 3",
        'assistant: Second. [u1 ask {"q":"?"}]',
        "u1: yes",
      ]),
    ],
  },
  {
    title:
      "two mixed rounds in a row, with a hidden round between them, are one history in the end",
    tools: ADD,
    turns: [
      {
        request,
        rounds: [{ calls: [add("c1", 1, 2), asks("u1")] }],
        sees: { calls: [asks("u1")] },
      },
      {
        request,
        messages: returning({ u1: "yes" }),
        rounds: [{ calls: [add("c2", 3, 4)] }, { calls: [asks("u2"), add("c3", 5, 6)] }],
        sees: { calls: [asks("u2")] },
        sent: {
          0: {
            messages: [
              "user: go",
              'assistant [c1 @add {"a":1,"b":2}] [u1 ask {"q":"?"}]',
              "c1: 3",
              "u1: yes",
            ],
          },
        },
      },
      comesBack(returning({ u2: "no" }), [
        "user: go",
        'assistant [c1 @add {"a":1,"b":2}] [u1 ask {"q":"?"}]',
        "c1: 3",
        "u1: yes",
        'assistant [c2 @add {"a":3,"b":4}]',
        "c2: 7",
        'assistant [u2 ask {"q":"?"}] [c3 @add {"a":5,"b":6}]',
        "u2: no",
        "c3: 11",
      ]),
    ],
  },
];
