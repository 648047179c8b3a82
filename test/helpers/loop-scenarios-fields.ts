/** What passes through a loop besides texts and calls. */
import { expect } from "vitest";
import { add, ADD, type Json, type ModelRound, type Scenario } from "./loop-scenario.ts";

const server: ModelRound = { calls: [add("c1", 2, 3)] };

/** A turn whose second round ends for this reason. */
const ending = (finish: string): Scenario => ({
  title: `the finish reason is the last round's: ${finish}`,
  tools: ADD,
  turns: [
    {
      rounds: [server, { text: "It is", finish }],
      sees: { content: "It is", finishReason: finish },
    },
  ],
});

const counted = (prompt: number, completion: number, details: Json = {}): Json => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
  ...details,
});

const token = (text: string): Json => ({
  token: text,
  logprob: -0.5,
  bytes: null,
  top_logprobs: [],
});

/** What an answer has besides text. */
export const ANSWER_FIELDS: Scenario[] = [
  {
    title: "a refusal is a refusal, not text",
    tools: ADD,
    turns: [
      {
        rounds: [{ text: "Let me see.", ...server }, { refusal: "I cannot help with that." }],
        sees: { content: "Let me see.", refusal: "I cannot help with that." },
      },
    ],
  },
  {
    title: "reasoning of all rounds is seen, and each round's goes back to the model",
    tools: ADD,
    turns: [
      {
        rounds: [
          { reasoning: "I must add.", ...server },
          { reasoning: "Now I know.", text: "5." },
        ],
        sees: { reasoning: "I must add.\n\nNow I know.", content: "5." },
        sent: { 1: { spelled: ['"reasoning_content":"I must add."'] } },
      },
    ],
  },
  ending("length"),
  ending("content_filter"),
  {
    title: "a finish reason of stop beside calls is still calls",
    tools: ADD,
    turns: [{ rounds: [{ ...server, finish: "stop" }, { text: "5." }], sees: { content: "5." } }],
  },
  {
    title: "usage is the sum over rounds, details included",
    tools: ADD,
    turns: [
      {
        rounds: [
          {
            ...server,
            usage: counted(10, 5, { prompt_tokens_details: { cached_tokens: 4, audio_tokens: 0 } }),
          },
          {
            calls: [add("c2", 1, 1)],
            usage: counted(20, 6, {
              completion_tokens_details: { reasoning_tokens: 3 },
              cost: 0.5,
            }),
          },
          {
            text: "5.",
            usage: counted(30, 7, {
              prompt_tokens_details: { cached_tokens: 16 },
              completion_tokens_details: { reasoning_tokens: 2 },
            }),
          },
        ],
        sees: {
          content: "5.",
          usage: counted(60, 18, {
            prompt_tokens_details: { cached_tokens: 20, audio_tokens: 0 },
            completion_tokens_details: { reasoning_tokens: 5 },
            cost: 0.5,
          }),
        },
      },
    ],
  },
  {
    title: "where upstream counts nothing, no usage is made up",
    tools: ADD,
    turns: [
      {
        rounds: [
          { ...server, usage: null },
          { text: "5.", usage: null },
        ],
        sees: { content: "5.", usage: null },
      },
    ],
  },
  {
    title: "where upstream counts in one round only, that is the usage",
    tools: ADD,
    turns: [
      {
        rounds: [
          { ...server, usage: null },
          { text: "5.", usage: counted(9, 4) },
        ],
        sees: { content: "5.", usage: counted(9, 4) },
      },
    ],
  },
  {
    title:
      "system_fingerprint and service_tier are kept, the first round's fingerprint for the whole turn",
    tools: ADD,
    turns: [
      {
        rounds: [
          { ...server, more: { system_fingerprint: "fp_1", service_tier: "default" } },
          { text: "5.", more: { system_fingerprint: "fp_2", service_tier: "default" } },
        ],
        sees: { content: "5." },
        seesMembers: {
          system_fingerprint: "fp_1",
          service_tier: "default",
          id: "chatcmpl-1",
          model: "gpt-test",
        },
      },
    ],
  },
  {
    title: "logprobs are those of the whole visible text",
    tools: ADD,
    turns: [
      {
        request: { logprobs: true },
        rounds: [
          { text: "Wait.", ...server, logprobs: { content: [token("Wait.")], refusal: null } },
          { text: "5.", logprobs: { content: [token("5.")], refusal: null } },
        ],
        sees: { content: "Wait.\n\n5." },
        seesLogprobs: [token("Wait."), token("5.")],
        alwaysSent: { members: { logprobs: true } },
      },
    ],
  },
];

/** What a request has besides messages and tools. */
export const REQUEST_FIELDS: Scenario[] = [
  {
    title: "fields of the request reach upstream in every round as they were spelled",
    tools: ADD,
    turns: [
      {
        spelled:
          '"seed":12345678901234567890,"temperature":1.0,"top_p":1e-1,"x_vendor":{"b":1.50,"a":"\\u00e9"},"user":"A\\/B"',
        rounds: [server, { calls: [add("c2", 1, 1)] }, { text: "5." }],
        sees: { content: "5." },
        alwaysSent: {
          spelled: [
            '"seed":12345678901234567890,"temperature":1.0,"top_p":1e-1,"x_vendor":{"b":1.50,"a":"\\u00e9"},"user":"A\\/B"',
            '"messages":[{"role":"user","content":"go"}',
          ],
        },
      },
    ],
  },
  {
    title: "parallel_tool_calls false is kept in every round",
    tools: ADD,
    turns: [
      {
        request: { parallel_tool_calls: false },
        rounds: [server, { text: "5." }],
        sees: { content: "5." },
        alwaysSent: { members: { parallel_tool_calls: false } },
      },
    ],
  },
  {
    title: "stream_options are kept, and usage is asked for in every round",
    tools: ADD,
    turns: [
      {
        streamOptions: { include_usage: true, include_obfuscation: false },
        rounds: [server, { text: "5." }],
        sees: { content: "5." },
      },
    ],
  },
  {
    title: "a client that does not ask for usage gets none in its stream, though upstream is asked",
    tools: ADD,
    turns: [{ streamOptions: null, rounds: [server, { text: "5." }], sees: { content: "5." } }],
  },
  {
    title: "content parts, a developer message and an empty list of tools are left as they are",
    tools: ADD,
    turns: [
      {
        messages: () => [
          { role: "developer", content: "Be brief." },
          {
            role: "user",
            content: [
              { type: "text", text: "go" },
              { type: "image_url", image_url: { url: "data:image/png;base64,AA==" } },
            ],
          },
        ],
        request: { tools: [] },
        rounds: [server, { text: "5." }],
        sees: { content: "5." },
        alwaysSent: { tools: ["@add"] },
        sent: {
          1: {
            messages: [
              "developer: Be brief.",
              expect.stringContaining(
                '{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}',
              ),
              'assistant [c1 @add {"a":2,"b":3}]',
              "c1: 5",
            ],
          },
        },
      },
    ],
  },
];
