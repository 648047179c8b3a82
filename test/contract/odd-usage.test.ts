/** Usage that is no usage, or half of it, or spelled otherwise: counted, and never 0 beside an answer. */
import { describe, expect, it } from "vitest";
import { ask, keyWithAdd, post } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import {
  chunk,
  completion,
  events,
  startUpstream,
  toolCall,
  type Answer,
} from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

/** Prompt, completion, and whether they are estimated; null: more than 0, whatever it is. */
type Expected = [prompt: number | null, completion: number | null, isEstimated: boolean];

const usages: [name: string, usage: unknown, expected: Expected][] = [
  ["all zero", { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }, [null, null, true]],
  ["empty", {}, [null, null, true]],
  ["null members", { prompt_tokens: null, completion_tokens: null }, [null, null, true]],
  ["negative", { prompt_tokens: -1, completion_tokens: -1, total_tokens: -1 }, [null, null, true]],
  ["a list", [1, 2], [null, null, true]],
  ["words", { prompt_tokens: "some", completion_tokens: "few" }, [null, null, true]],
  ["text", { prompt_tokens: "10", completion_tokens: "5" }, [10, 5, false]],
  ["other names", { input_tokens: 10, output_tokens: 5 }, [10, 5, false]],
  ["one half", { prompt_tokens: 10, completion_tokens: 0, total_tokens: 10 }, [10, null, true]],
  ["a sum and a half", { prompt_tokens: 10, total_tokens: 15 }, [10, 5, false]],
  ["billions", { prompt_tokens: 3e9, completion_tokens: 5 }, [3e9, 5, false]],
];

const HALF_AND_HALF = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const HALVES: Expected = [10, 5, false];

/** An answer with this usage in this place: the body's own, choice 0's, or Groq's. */
const PLACES: Record<string, (usage: unknown) => Json> = {
  usage: (usage) => ({ usage }),
  "x_groq.usage": (usage) => ({ usage: undefined, x_groq: { id: "req_1", usage } }),
};

async function figures(response: Response) {
  await response.text();
  const id = response.headers.get("x-proxy-conversation-id") ?? "";
  return (await proxy.conversation(id)) as unknown as Json;
}

/** What is on record, told as it is expected: a count that was estimated is null, unless it is 0. */
function seen(record: Json, [prompt, completed]: Expected): unknown[] {
  const counts = [record["promptTokens"], record["completionTokens"]] as number[];
  const total = record["totalTokens"] as number;
  expect(total).toBeGreaterThanOrEqual((counts[0] ?? 0) + (counts[1] ?? 0));
  const told = [prompt, completed].map((expected, index) => {
    const count = counts[index] ?? 0;
    return expected === null && count > 0 ? null : count;
  });
  return [...told, record["tokensEstimated"]];
}

const words = { content: "Hello! How can I assist you today?" };
const streamed = (usage: Json): Answer =>
  events(chunk(words), chunk({}, "stop"), { ...chunk({}), choices: [], ...usage });

describe("Usage", () => {
  it.each(usages)(
    "of a key without tools is read, or counted: %s",
    async (_name, usage, expected) => {
      for (const place of Object.values(PLACES)) {
        for (const [answer, more] of [
          [completion(words, place(usage)), {}],
          [streamed(place(usage)), { stream: true }],
        ] as [Answer, Json][]) {
          const upstream = await startUpstream(answer);
          const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
          expect(seen(await figures(await post(key, ask(more))), expected)).toEqual(expected);
        }
      }
    },
  );

  it.each(usages)("of a key with tools is read, or counted: %s", async (_name, usage, expected) => {
    for (const stream of [false, true]) {
      const { key } = await keyWithAdd((name) => [
        completion({ tool_calls: [toolCall("c1", name, { a: 2, b: 3 })] }),
        stream ? streamed({ usage }) : completion(words, { usage }),
      ]);
      const record = await figures(await post(key, ask({ stream })));
      const [, last] = record["rounds"] as Json[];
      expect(seen(last ?? {}, expected)).toEqual(expected);
    }
  });

  it.each([
    ["choices[0].usage", { choices: [{ index: 0, delta: {}, usage: HALF_AND_HALF }] }],
    ["x_groq.usage", { choices: [], x_groq: { id: "req_1", usage: HALF_AND_HALF } }],
  ])("in %s is read, with tools and without", async (_name, members) => {
    const answer = events(chunk(words), chunk({}, "stop"), { ...chunk({}), ...members });
    const upstream = await startUpstream(answer);
    const plain = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const { key } = await keyWithAdd(() => [answer]);
    for (const each of [plain.key, key])
      expect(seen(await figures(await post(each, ask({ stream: true }))), HALVES)).toEqual(HALVES);
  });

  it("that comes in two halves is one", async () => {
    const halves = [{ prompt_tokens: 10 }, { completion_tokens: 5 }].map((usage) => ({
      ...chunk({}),
      choices: [],
      usage,
    }));
    const answer = events(chunk(words), chunk({}, "stop"), ...halves);
    const upstream = await startUpstream(answer);
    const plain = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const { key } = await keyWithAdd(() => [answer]);
    for (const each of [plain.key, key])
      expect(seen(await figures(await post(each, ask({ stream: true }))), HALVES)).toEqual(HALVES);
  });
});
