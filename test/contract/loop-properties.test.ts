/**
 * What holds of every turn, tried on random ones. A failure prints the smallest turn that fails,
 * its seed and its path: add both to `limits`, and the same turn is tried again.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { SeenTurn } from "../helpers/chat-turn.ts";
import {
  isServerCall,
  randomDamage,
  randomMixedLegs,
  randomRequest,
  randomReturn,
  randomTurn,
} from "../helpers/random-rounds.ts";
import type { Damage, RandomRequest, RandomReturn, RandomRound } from "../helpers/random-rounds.ts";
import {
  answerOf,
  randomKey,
  readEnd,
  readFinished,
  readWhole,
} from "../helpers/random-rounds-client.ts";
import {
  send,
  streamFields,
  withinLimit,
  type RandomKey,
} from "../helpers/random-rounds-client.ts";
import { cutBytes, spellEvents, streamPayloads } from "../helpers/random-rounds-spelled.ts";
import { writesOf, type Ending } from "../helpers/random-rounds-upstream.ts";
import type { Answer } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const RUNS = 80;
/** Time for fast-check to find the smallest failure, in milliseconds. */
const LIMIT_MS = 60_000;
const limits = { numRuns: RUNS, interruptAfterTimeLimit: LIMIT_MS - 15_000 };

/** Bodies without what says that a stream is wanted. */
const unstreamed = (bodies: Json[]) =>
  bodies.map(({ stream: _stream, stream_options: _options, ...body }) => body);

/** The text of all rounds, as behaviour.md (The tool loop, 8) has it. */
function expectedText(
  rounds: RandomRound[],
  field: keyof RandomRound["texts"],
  wantsJson: boolean,
): string {
  return rounds.reduce((before, { texts }) => {
    const text = texts[field] ?? "";
    return (
      before +
      (before === "" || text === "" || before.endsWith("\n") || wantsJson ? "" : "\n\n") +
      text
    );
  }, "");
}

function sumOf(first: Json, second: Json): Json {
  const sum = { ...first };
  for (const [field, value] of Object.entries(second)) {
    sum[field] =
      typeof value === "number"
        ? value + Number(sum[field] ?? 0)
        : sumOf((sum[field] ?? {}) as Json, value as Json);
  }
  return sum;
}

const expectedCalls = (round: RandomRound | undefined) =>
  (round?.calls ?? [])
    .filter((call) => !isServerCall(call))
    .map(({ id, tool, arguments: args }) => ({ id, name: tool, arguments: args || "{}" }));

/** What a client must see of a turn. */
function expectedTurn(rounds: RandomRound[], request: RandomRequest): Partial<SeenTurn> {
  const wantsJson = request.more["response_format"] !== undefined;
  // Zeros alone are no usage.
  const isUsage = (usage: Json) => usage["total_tokens"] !== 0;
  const usages = rounds.flatMap(({ usage }) => (usage !== null && isUsage(usage) ? [usage] : []));
  const reason = rounds.at(-1)?.finishReason;
  return {
    // Of several documents only the last one is the answer.
    content: expectedText(wantsJson ? rounds.slice(-1) : rounds, "content", wantsJson),
    reasoning: expectedText(rounds, "reasoning_content", wantsJson),
    refusal: expectedText(rounds, "refusal", wantsJson),
    calls: expectedCalls(rounds.at(-1)),
    usage: usages.length === 0 ? null : usages.reduce(sumOf),
    ...(reason === null || reason === undefined ? {} : { finishReason: reason }),
  };
}

it(
  "says the same streamed and whole, whatever the model says and however its stream is cut",
  { timeout: LIMIT_MS },
  async () => {
    const key = await randomKey();
    const says = async (rounds: RandomRound[], request: RandomRequest): Promise<void> => {
      const run = key.start(({ round, streamed }) => answerOf(rounds[round], key, streamed));
      const body = { messages: [run.message], ...request.more };
      const [stream, whole] = await Promise.all([
        send(key, { ...body, ...streamFields(request) }),
        send(key, body),
      ]);
      const streamed = readFinished(stream, key, request.includeUsage);
      const atOnce = readWhole(whole, key);
      expect(streamed).toEqual(request.includeUsage ? atOnce : { ...atOnce, usage: null });
      expect(atOnce).toMatchObject(expectedTurn(rounds, request));
      expect(unstreamed(run.sent.streamed)).toEqual(unstreamed(run.sent.whole));
      expect(run.sent.whole).toHaveLength(rounds.length);
    };
    await fc.assert(fc.asyncProperty(randomTurn, randomRequest, says), limits);
  },
);

interface SentMessage extends Json {
  role: string;
  tool_calls?: { id: string }[];
}

/** What a client brings back, and what the model had seen before it. */
interface Returned {
  before: SentMessage[];
  round: RandomRound;
  results: Map<string, string>;
}

/**
 * Checks the history that upstream was sent after a mixed round: it goes on from what the model had
 * seen before.
 */
function checkHistory(
  sent: SentMessage[],
  { before, round, results }: Returned,
  key: RandomKey,
): void {
  expect(sent.slice(0, before.length)).toEqual(before);
  const [answer, ...after] = sent.slice(before.length);
  expect(answer).toMatchObject({
    role: "assistant",
    // Blank text beside calls is refused by some upstreams.
    ...(round.texts.content?.trim() ? { content: round.texts.content } : {}),
  });
  expect(answer?.tool_calls).toEqual(
    round.calls.map(({ id, tool, arguments: args }) => ({
      id,
      type: "function",
      function: { name: key.nameOf(tool), arguments: args },
    })),
  );
  const own = after.slice(0, round.calls.length);
  expect(own.every(({ role }) => role === "tool")).toBe(true);
  expect(new Map(own.map(({ tool_call_id: id, content }) => [id, content]))).toEqual(
    new Map(
      round.calls.map((call) => [
        call.id,
        isServerCall(call) ? JSON.stringify(JSON.parse(call.arguments)) : results.get(call.id),
      ]),
    ),
  );
  expect(after.slice(round.calls.length).filter(({ role }) => role === "tool")).toEqual([]);
}

/** The answer that a client sends back, in one of the spellings that clients have. */
function sentBack({ content, calls }: SeenTurn, { respelled }: RandomReturn): Json {
  const anew = (text: string) => (respelled ? JSON.stringify(JSON.parse(text), null, 1) : text);
  return {
    role: "assistant",
    content: content === "" ? null : respelled ? [{ type: "text", text: content }] : content,
    tool_calls: calls.map(({ id, name, arguments: text }) => ({
      id,
      type: "function",
      function: { name, arguments: anew(text) },
    })),
  };
}

/** Results in the order of a request. */
function inOrder(results: Map<string, string>, { order }: RandomReturn, request: number): Json[] {
  const placed = [...results].map(([id, content], index) => ({
    id,
    content,
    place: order[(index + request) % order.length] ?? 0,
  }));
  return placed
    .toSorted((one, other) => one.place - other.place)
    .map(({ id, content }) => ({ role: "tool", tool_call_id: id, content }));
}

/** Goes through a turn with mixed rounds as a client does, and gives the text that ends it. */
async function comeBack(
  key: RandomKey,
  legs: RandomRound[][],
  back: RandomReturn,
): Promise<string> {
  const rounds = legs.flat();
  const done = rounds.slice(-1).map((round): RandomRound => ({
    ...round,
    texts: { ...round.texts, content: "Done." },
    calls: [],
    finishReason: "stop",
  }));
  const script = [...rounds, ...done, ...done];
  const sent: SentMessage[][] = [];
  const run = key.start(({ messages, streamed }) =>
    answerOf(script[sent.push(messages as SentMessage[]) - 1], key, streamed),
  );
  const shown: { answer: Json; returned: Returned }[] = [];
  let requests = 0;
  const asks = async (more: Json[]): Promise<SeenTurn> => {
    const from = sent.length;
    const stream = back.streamed[requests++ % 2] ?? false;
    const history = shown.flatMap(({ answer, returned }) => [
      answer,
      ...inOrder(returned.results, back, requests),
    ]);
    const reply = await send(key, { messages: [run.message, ...history, ...more], stream });
    const seen = stream ? readFinished(reply, key, false) : readWhole(reply, key);
    const last = shown.at(-1);
    if (last !== undefined) checkHistory(sent[from] ?? [], last.returned, key);
    return seen;
  };
  for (const round of legs.flatMap((leg) => leg.slice(-1))) {
    const seen = await asks([]);
    expect(seen.calls).toEqual(expectedCalls(round));
    const results = new Map(seen.calls.map(({ id }) => [id, `${back.result} of ${id}`]));
    shown.push({
      answer: sentBack(seen, back),
      returned: { before: sent.at(-1) ?? [], round, results },
    });
  }
  const more = back.goesOn ? [{ role: "user", content: "And?" }] : [];
  const { content } = await asks(more);
  await asks([...more, { role: "assistant", content }, { role: "user", content: "Sure?" }]);
  return content;
}

it(
  "shows the model one history when a client comes back from mixed rounds, its results in any order",
  { timeout: LIMIT_MS },
  async () => {
    const key = await randomKey();
    const comesBack = async (legs: RandomRound[][], back: RandomReturn): Promise<void> => {
      expect(await comeBack(key, legs, back)).toBe("Done.");
    };
    await fc.assert(fc.asyncProperty(randomMixedLegs, randomReturn, comesBack), limits);
  },
);

const failure = {
  message: "The model is overloaded",
  type: "server_error",
  param: null,
  code: "overloaded",
};

/** A stream with damage. `complete`: the model's whole answer is in it all the same. */
interface Damaged {
  answer: Answer;
  complete: boolean;
  byteCount: number;
}

const SAYS_WHY = /"finish_reason":\s*"/;

/** Bytes until the model has said why it ends; what may follow is no part of what it says. */
function lengthToLastWord(events: string[]): number {
  const last = events.findLastIndex((event) => SAYS_WHY.test(event));
  const said = last === -1 ? events : events.slice(0, last + 1);
  return new TextEncoder().encode(said.join("")).length;
}

function damaged(
  round: RandomRound | undefined,
  key: RandomKey,
  { kind, at, ending }: Damage,
): Damaged {
  if (round === undefined) throw new Error("No round to damage");
  const payloads = streamPayloads(round, key.nameOf);
  const place = at % (payloads.length + 1);
  const isError = kind === "an error";
  const events = spellEvents(
    isError ? payloads.toSpliced(place, 0, JSON.stringify({ error: failure })) : payloads,
    round.spelling,
  );
  const bytes = new TextEncoder().encode(events.join(""));
  const kept = isError ? bytes : bytes.subarray(0, Math.round((bytes.length * at) / 65_535));
  const hasEnd = round.spelling.done !== "no" && place === payloads.length;
  // The blank line after the last word may be missing: everything was said.
  const lastWord = lengthToLastWord(events) - 2 * round.spelling.lineEnd.length;
  const complete = isError ? hasEnd : kept.length >= lastWord;
  const left: Ending = isError ? ending : "breaks";
  return {
    answer: writesOf(cutBytes(kept, round.spelling), left),
    complete,
    byteCount: kept.length,
  };
}

/** A turn that was damaged on its way, and what the client got of it. */
interface DamagedTurn extends Damaged {
  expected: Partial<SeenTurn>;
  isError: boolean;
  end: ReturnType<typeof readEnd>;
}

/** A finished turn may only come of an answer that was there to its last word. */
function checkFinished({ complete, expected, end }: DamagedTurn): void {
  expect(complete, "an answer that was cut ended as if it were whole").toBe(true);
  expect(end).toMatchObject({ content: expected.content, calls: expected.calls });
}

/** A broken turn is the beginning of what the model said. */
function checkBroken({ complete, isError, expected, end }: DamagedTurn): void {
  expect(isError && complete, "an error that came after the end ended the answer").toBe(false);
  expect(expected.content?.startsWith(end.content), end.content).toBe(true);
  expect(end.error).toMatchObject(isError ? failure : {});
}

it(
  "ends a stream well, and its exchange with upstream, when that breaks off or tells of an error",
  { timeout: LIMIT_MS },
  async () => {
    const key = await randomKey();
    const breaks = async (
      rounds: RandomRound[],
      request: RandomRequest,
      damage: Damage,
    ): Promise<void> => {
      const place = damage.round % rounds.length;
      const part = damaged(rounds[place], key, damage);
      // A later round of which nothing came is asked for again: it breaks off again.
      const isDamaged = (round: number) => (part.complete ? round === place : round >= place);
      const run = key.start(({ round }) =>
        isDamaged(round) ? part.answer : answerOf(rounds[round], key, true),
      );
      const reply = await send(key, {
        messages: [run.message],
        ...request.more,
        ...streamFields(request),
      });
      // Where nothing has come yet, a status can still say so.
      expect(reply.status, reply.text).toBe(place === 0 && part.byteCount === 0 ? 502 : 200);
      const end = readEnd(reply, key, request.includeUsage);
      const check = end.error === null ? checkFinished : checkBroken;
      check({
        ...part,
        end,
        isError: damage.kind === "an error",
        expected: expectedTurn(rounds, request),
      });
      const exchange =
        run.exchanges[place] ?? Promise.reject(new Error("The round was not asked for"));
      await withinLimit(exchange, { limitMs: 3000, what: "the exchange with upstream" });
    };
    await fc.assert(fc.asyncProperty(randomTurn, randomRequest, randomDamage, breaks), limits);
  },
);
