import { expect, it } from "vitest";
import { createChatCollector } from "../../src/openai/collect-chat-chunks.ts";
import { createChunkWriter } from "../../src/dialects/chat/write-chat-chunks.ts";

/** One choice's delta, as a chunk has it. */
type Delta = Record<string, unknown>;

const chunkOf = (delta: Delta, choice: Delta = {}) => ({
  id: "chatcmpl-1",
  choices: [{ index: 0, delta, ...choice }],
});

/** Milliseconds that a round of these chunks takes from upstream to the client, and its message. */
async function timeOfRound(chunks: Iterable<Record<string, unknown>>) {
  const collector = createChatCollector();
  const writer = createChunkWriter({
    write: () => undefined,
    model: "m",
    isHidden: () => false,
    includeUsage: false,
    wantsJson: false,
    isLastRound: () => false,
    onText: () => undefined,
  });
  const start = performance.now();
  for (const chunk of chunks) {
    const part = collector.add(chunk);
    if (part !== null) await writer.forward(part, 1);
  }
  collector.end();
  const { message } = collector.result();
  JSON.stringify(message);
  return { ms: performance.now() - start, message, completion: collector.completion() };
}

/** A client tool's call whose arguments come four bytes at a time. */
function* callInPieces(count: number, memberOf: (index: number) => Delta) {
  yield chunkOf({
    tool_calls: [
      { index: 0, id: "a", type: "function", function: { name: "save", arguments: '{"t":"' } },
    ],
  });
  for (let index = 0; index < count; index++) {
    const { id, name } = memberOf(index);
    const named = { arguments: "abcd", ...(name === undefined ? {} : { name }) };
    const fragment = { index: 0, ...(id === undefined ? {} : { id }), function: named };
    yield chunkOf({ tool_calls: [fragment] });
  }
  yield chunkOf({ tool_calls: [{ index: 0, function: { arguments: '"}' } }] });
}

/** Texts that end in a brace each: only a parser can tell whether the arguments are whole. */
function* braces(count: number) {
  yield chunkOf({
    tool_calls: [
      { index: 0, id: "a", type: "function", function: { name: "save", arguments: "{" } },
    ],
  });
  for (let index = 0; index < count; index++) {
    yield chunkOf({
      tool_calls: [{ index: 0, function: { name: "save", arguments: `"${index}":{},` } }],
    });
    yield chunkOf({
      tool_calls: [{ index: 0, function: { name: "save", arguments: `"b${index}":{}` } }],
    });
    yield chunkOf({ tool_calls: [{ index: 0, function: { name: "save", arguments: "," } }] });
  }
}

function* details(count: number) {
  for (let index = 0; index < count; index++)
    yield chunkOf(
      { reasoning_details: [{ type: "reasoning.text", text: "abcd" }] },
      { logprobs: { content: [{ token: "abcd", logprob: -1 }] } },
    );
}

const ROUNDS = {
  "arguments in pieces of four bytes": (count: number) => callInPieces(count, () => ({})),
  "arguments whose every piece has the name again": (count: number) =>
    callInPieces(count, () => ({ name: "save" })),
  "arguments whose every piece has a new id": (count: number) =>
    callInPieces(count, (index) => ({ id: `id${index}` })),
  "arguments whose every piece ends in a brace": braces,
  "lists that grow by one item a chunk": details,
};

const PIECES = 50_000;

it.each(Object.entries(ROUNDS))(
  "%s: ten times the pieces take about ten times the time",
  async (_name, roundOf) => {
    await timeOfRound(roundOf(PIECES / 10));
    const small = await timeOfRound(roundOf(PIECES / 10));
    const large = await timeOfRound(roundOf(PIECES));
    // Time that grows with the square is a hundred times as long.
    expect(large.ms).toBeLessThan(Math.max(small.ms, 20) * 35);
  },
);

it("what came in pieces is whole", async () => {
  const { message } = await timeOfRound(callInPieces(1000, () => ({ name: "save" })));
  const call = { name: "save", arguments: `{"t":"${"abcd".repeat(1000)}"}` };
  expect(message["tool_calls"]).toEqual([{ id: "a", type: "function", function: call }]);
  const lists = await timeOfRound(details(3));
  expect(lists.message["reasoning_details"]).toHaveLength(3);
  expect(lists.completion).toMatchObject({ choices: [{ logprobs: { content: [{}, {}, {}] } }] });
});
