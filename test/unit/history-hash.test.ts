import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { hashHistory } from "../../src/openai/history-hash.ts";
import { longestHold } from "../helpers/longest-hold.ts";
import { GOLDEN_HISTORIES } from "../helpers/golden-histories.ts";

/** Hashes of all places of each history, as the release of 2026-11 stored them. */
const GOLDEN: Record<string, string> = {
  empty: "631256580dd28530179d12cc25466bf5",
  plain: "add140186a52bbbfe8c8828acb3dbe9a",
  calls: "7a9b4b080cf97be30a07df1598d248c1",
  odd: "1c6347073ba656105d1474d53f9a250f",
  "long text": "9821eb4a42d8b75079159fbb12a6fcc4",
  "long image": "0796e1a5ac0b26a394d7a3cd36f3d0f3",
  "long arguments": "a2a21125acc7de8a936b4ad12e64811c",
};

it.each(Object.entries(GOLDEN_HISTORIES))(
  "a history that a database holds is found again: %s",
  async (name, messages) => {
    const history = await hashHistory('["u",null]', messages);
    const places = history.places.map(({ index, lookup }) => `${index}${lookup}`);
    const after = history.lookupAfter({ role: "assistant", content: "x" });
    const all = [...places, after, history.turnStart].join("\n");
    expect(createHash("sha256").update(all).digest("hex").slice(0, 32)).toBe(GOLDEN[name]);
  },
);

it("arguments nested 50,000 deep are a text like any other", async () => {
  const deep = `{"a":${"[".repeat(50_000)}${"]".repeat(50_000)}}`;
  const call = { id: "a", type: "function", function: { name: "save", arguments: deep } };
  const { places } = await hashHistory("", [
    { role: "user", content: "go" },
    { role: "assistant", content: null, tool_calls: [call] },
  ]);
  expect(places).toHaveLength(1);
});

const many = (count: number, content: (index: number) => string): unknown[] =>
  Array.from({ length: count }, (_, index) => ({
    role: index % 2 === 0 ? "user" : "assistant",
    content: content(index),
  }));

it.each([
  ["100,000 messages", many(100_000, (index) => `m${index}`)],
  ["one message of 30 MB", many(1, () => '"é\n'.repeat(7_500_000))],
  [
    "arguments of 200,000 members",
    [
      {
        role: "assistant",
        content: null,
        tool_calls: [
          {
            id: "a",
            function: {
              name: "save",
              arguments: `{${Array.from({ length: 200_000 }, (_, index) => `"k${index}":{}`).join(",")}}`,
            },
          },
        ],
      },
    ],
  ],
])("%s let others go while they are hashed", async (_name, messages) => {
  expect(await longestHold(() => hashHistory("", messages))).toBeLessThan(50);
});
