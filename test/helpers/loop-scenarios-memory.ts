/** What the model keeps of finished turns. */
import {
  add,
  ADD,
  asks,
  clientTool,
  returning,
  saying,
  type ClientTurn,
  type Scenario,
} from "./loop-scenario.ts";

/** A turn with a hidden round. */
const counted = (id: string, a: number, says: string): ClientTurn => ({
  rounds: [{ text: `Adding ${a}.`, calls: [add(id, a, 1)] }, { text: says }],
  sees: { content: `Adding ${a}.\n\n${says}` },
});

const hiddenOf = (id: string, a: number, says: string) => [
  `assistant: Adding ${a}. [${id} @add {"a":${a},"b":1}]`,
  `${id}: ${a + 1}`,
  `assistant: ${says}`,
];

const FIRST = ["user: go", ...hiddenOf("c1", 1, "It is 2.")];
const SECOND = [...FIRST, "user: And then?", ...hiddenOf("c2", 2, "It is 3.")];

/** A request whose messages must reach upstream like this. */
const remembering = (turn: ClientTurn, messages: unknown[]): ClientTurn => ({
  ...turn,
  sent: { 0: { messages } },
});

const asksAgain: ClientTurn = { messages: saying("And then?"), ...counted("c2", 2, "It is 3.") };
const ends = (words: string): ClientTurn => ({
  messages: saying(words),
  rounds: [{ text: "Bye." }],
  sees: { content: "Bye." },
});

/** Another question than the second. */
const branches = remembering(
  {
    messages: (before) => [...before.slice(0, 2), { role: "user", content: "Or else?" }],
    rounds: [{ text: "Bye." }],
    sees: { content: "Bye." },
  },
  [...FIRST, "user: Or else?"],
);

const request = { tools: [clientTool("ask")] };
const MIXED_ANSWER = 'assistant: Hm. [c1 @add {"a":1,"b":2}] [u1 ask {"q":"?"}]';
const mixed: ClientTurn = {
  request,
  rounds: [{ text: "Hm.", calls: [add("c1", 1, 2), asks("u1")] }],
  sees: { content: "Hm.", calls: [asks("u1")] },
};
const comesBack: ClientTurn = {
  request,
  messages: returning({ u1: "yes" }),
  rounds: [{ calls: [add("c2", 3, 4)] }, { text: "Good." }],
  sees: { content: "Good." },
  sent: { 0: { messages: ["user: go", MIXED_ANSWER, "c1: 3", "u1: yes"] } },
};

/** Hidden rounds in later turns. */
export const MEMORY: Scenario[] = [
  {
    title: "the model keeps the hidden rounds of two finished turns",
    tools: ADD,
    turns: [
      counted("c1", 1, "It is 2."),
      remembering(asksAgain, [...FIRST, "user: And then?"]),
      remembering(ends("Thanks."), [...SECOND, "user: Thanks."]),
    ],
  },
  {
    title: "a mixed turn is whole in the turns after it",
    tools: ADD,
    turns: [
      mixed,
      comesBack,
      remembering(ends("Thanks."), [
        "user: go",
        MIXED_ANSWER,
        "c1: 3",
        "u1: yes",
        'assistant [c2 @add {"a":3,"b":4}]',
        "c2: 7",
        "assistant: Good.",
        "user: Thanks.",
      ]),
    ],
  },
  {
    title:
      "an edited answer of an earlier turn is left as the client has it, and so is what follows it",
    tools: ADD,
    turns: [
      counted("c1", 1, "It is 2."),
      asksAgain,
      remembering(
        {
          ...ends("Thanks."),
          messages: (before, answer) => [
            ...before.map((message) =>
              message["role"] === "assistant" ? { ...message, content: "It is two." } : message,
            ),
            answer,
            { role: "user", content: "Thanks." },
          ],
        },
        [
          "user: go",
          "assistant: It is two.",
          "user: And then?",
          "assistant: Adding 2.\n\nIt is 3.",
          "user: Thanks.",
        ],
      ),
    ],
  },
  {
    title: "a branch from an earlier question keeps what was hidden before the branch",
    tools: ADD,
    turns: [counted("c1", 1, "It is 2."), asksAgain, branches],
  },
  {
    title: "what one end user of a key did not see is not put into the history of another",
    tools: ADD,
    turns: [
      { ...counted("c1", 1, "It is 2."), request: { user: "alice" } },
      {
        ...remembering(asksAgain, [
          "user: go",
          "assistant: Adding 1.\n\nIt is 2.",
          "user: And then?",
        ]),
        request: { user: "bob" },
      },
      {
        ...branches,
        request: { user: "alice" },
      },
    ],
  },
  {
    title: "a key without memory: earlier turns stay as the client saw them",
    tools: ADD,
    key: { toolMemory: false },
    turns: [
      counted("c1", 1, "It is 2."),
      remembering(asksAgain, ["user: go", "assistant: Adding 1.\n\nIt is 2.", "user: And then?"]),
    ],
  },
  {
    title:
      "a key without memory: a mixed round is whole while its turn goes on, and as the client saw it afterwards",
    tools: ADD,
    key: { toolMemory: false },
    turns: [
      mixed,
      comesBack,
      remembering(ends("Thanks."), [
        "user: go",
        'assistant: Hm. [u1 ask {"q":"?"}]',
        "u1: yes",
        "assistant: Good.",
        "user: Thanks.",
      ]),
    ],
  },
  {
    title: "memory is switched off and on with PATCH, for the requests that follow",
    tools: ADD,
    turns: [
      counted("c1", 1, "It is 2."),
      {
        ...remembering(asksAgain, [
          "user: go",
          "assistant: Adding 1.\n\nIt is 2.",
          "user: And then?",
        ]),
        keyChanges: { toolMemory: false },
      },
      {
        ...branches,
        keyChanges: { toolMemory: true },
      },
    ],
  },
];
