/** Requests and answers that are none, on their way between chat completions and Responses. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { CHAT_MEMBERS } from "../../src/dialects/between/chat-members.ts";
import { chatToResponses } from "../../src/dialects/between/chat-to-responses.ts";
import { chatDialect } from "../../src/dialects/chat/chat-dialect.ts";
import type { DialectRequest } from "../../src/dialects/dialect.ts";

type Json = Record<string, unknown>;

const USER = { role: "user", content: "Hi" };

function asked(body: Json): DialectRequest {
  const request = chatDialect.readRequest(JSON.stringify({ model: "m", ...body }));
  if (request === null) throw new Error("That is no request");
  return request;
}

/** Values where the API has others: mostly what a careless client sends. */
const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom<unknown>(null, "", "[", [], {}, [null], [[]], [{}], [{ type: null }], "none"),
  fc.record(
    {
      type: fc.constantFrom(
        "function",
        "custom",
        "allowed_tools",
        "text",
        "__proto__",
        "json_schema",
      ),
      function: fc.jsonValue({ maxDepth: 1 }),
      custom: fc.jsonValue({ maxDepth: 1 }),
      allowed_tools: fc.jsonValue({ maxDepth: 1 }),
      json_schema: fc.jsonValue({ maxDepth: 1 }),
    },
    { requiredKeys: [], noNullPrototype: true },
  ),
);
const anyMessage = fc.record(
  {
    role: fc.constantFrom<unknown>("user", "assistant", "tool", "system", "function", 5, null),
    content: anything,
    refusal: anything,
    tool_calls: fc.oneof(anything, fc.array(anything, { maxLength: 3 })),
    tool_call_id: anything,
    name: anything,
    proxy_items: anything,
  },
  { requiredKeys: [], noNullPrototype: true },
);
const MAPPED = Object.keys(CHAT_MEMBERS).filter((name) => CHAT_MEMBERS[name]?.fate !== "stays");
const anyBody = fc.record({
  members: fc.dictionary(fc.constantFrom(...MAPPED), anything, { maxKeys: 6 }),
  tools: fc.oneof(anything, fc.array(anything, { maxLength: 3 })),
  messages: fc.oneof(anything, fc.array(fc.oneof(anyMessage, anything), { maxLength: 5 })),
});

it("Whatever a client sends is judged and translated without a fault of ours", () => {
  let count = 0;
  const isTranslated = ({ members, tools, messages }: Json): void => {
    const request = asked({ ...(members as Json), tools, messages });
    chatToResponses.dropped(request);
    if (chatToResponses.refuses(request) !== null) return;
    count++;
    const sent = JSON.parse(chatToResponses.request(request)) as Json;
    expect(Array.isArray(sent["input"])).toBe(true);
    expect(JSON.stringify(sent)).not.toContain("proxy_items");
  };
  fc.assert(fc.property(anyBody, isTranslated), { numRuns: 2000 });
  expect(count, "requests that are taken").toBeGreaterThan(100);
});

it("Whatever an upstream answers is kept, and sent back, without a fault of ours", () => {
  const anyItem = fc.record(
    {
      type: fc.constantFrom<unknown>(
        "message",
        "reasoning",
        "function_call",
        "custom_tool_call",
        5,
      ),
      content: anything,
      summary: anything,
      output: anything,
      arguments: anything,
      call_id: anything,
      name: anything,
    },
    { requiredKeys: [], noNullPrototype: true },
  );
  const isKept = (items: Json[]): void => {
    const kept = new Map([[1, JSON.stringify(chatToResponses.items(items))]]);
    const request = asked({ messages: [USER, { role: "assistant", content: "a" }, USER] });
    const restored = request.restored(kept);
    expect(restored.text).not.toContain("proxy_items");
    expect(() => JSON.parse(chatToResponses.request(restored)) as Json).not.toThrow();
  };
  fc.assert(fc.property(fc.array(anyItem, { maxLength: 5 }), isKept), { numRuns: 1000 });
});
