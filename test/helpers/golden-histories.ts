/** Histories as clients spell them, for the places that databases hold. */
const call = (id: string, args: unknown) => ({
  id,
  type: "function",
  function: { name: "save", arguments: args },
});

const members = (count: number) =>
  Array.from({ length: count }, (_, index) => `"k${(index * 7919) % count}":[${index},"é😀\\n"]`);

const LONG_ARGUMENTS = `{"10":1,"2":{"b":1,"a":[{"d":1,"c":2}]},${members(20_000).join(",")}}`;
const LONG_TEXT = `${'a\n"\\é😀\u2028'.repeat(40_000)}\uD83D`;

export const GOLDEN_HISTORIES: Record<string, unknown[]> = {
  empty: [],
  plain: [
    { role: "system", content: "Be kind." },
    { role: "user", content: " hello " },
    { role: "assistant", content: "hi" },
    {
      role: "user",
      content: [
        { type: "text", text: "a" },
        { type: "text", text: "b " },
      ],
    },
    { role: "assistant", content: null, refusal: "no" },
  ],
  calls: [
    { role: "user", content: "go" },
    {
      role: "assistant",
      content: "",
      tool_calls: [
        call("b", ' {"y":1, "x":{"b":[1,{"d":1,"c":2}],"a":null}} '),
        call("a", "no json"),
        call("c", ""),
        call("d", { z: 1, a: 2 }),
        { id: "e", type: "custom", custom: { name: "run", input: "ls" } },
        { id: 5 },
      ],
    },
    { role: "tool", tool_call_id: "b", content: "2" },
    { role: "tool", tool_call_id: "a", content: "1" },
    { role: "assistant", content: "done" },
  ],
  odd: [
    null,
    1,
    "text",
    [],
    { content: { b: 1, a: 2 } },
    { role: "assistant", content: [1, null] },
  ],
  "long text": [
    { role: "user", content: LONG_TEXT },
    { role: "assistant", content: ` ${LONG_TEXT} ` },
    { role: "user", content: [{ type: "text", text: LONG_TEXT }] },
    { role: "assistant", content: "ok" },
  ],
  "long image": [
    {
      role: "user",
      content: [
        { type: "text", text: "see" },
        { type: "image_url", image_url: { url: `data:image/png;base64,${"A".repeat(600_001)}` } },
      ],
    },
    { role: "assistant", content: "a cat" },
  ],
  "long arguments": [
    { role: "user", content: "go" },
    { role: "assistant", content: null, tool_calls: [call("a", LONG_ARGUMENTS)] },
    { role: "tool", tool_call_id: "a", content: "x".repeat(32_768) },
    { role: "assistant", content: null, tool_calls: [call("b", `${LONG_ARGUMENTS},`)] },
    { role: "tool", tool_call_id: "b", content: "x".repeat(32_767) },
    { role: "assistant", content: [{ type: "text", text: LONG_TEXT, z: 1, a: 2 }, { b: 1 }] },
  ],
};
