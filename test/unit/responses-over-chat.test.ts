/** What becomes of a request of the Responses API at an upstream of chat completions. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { MEMBERS } from "../../src/dialects/between/responses-members.ts";
import { responsesToChat } from "../../src/dialects/between/responses-to-chat.ts";
import { responsesDialect } from "../../src/dialects/responses/responses-dialect.ts";

type Json = Record<string, unknown>;

const ROOT = resolve(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(resolve(ROOT, path), "utf8");

function requestOf(body: Json) {
  const request = responsesDialect.readRequest(JSON.stringify({ model: "m", ...body }));
  if (request === null) throw new Error("That is no request");
  return request;
}

/** A request as upstream gets it. */
const sent = (body: Json): Json =>
  JSON.parse(responsesToChat.request(requestOf({ input: "Hi", ...body }))) as Json;

const messages = (input: unknown, more: Json = {}) => sent({ input, ...more })["messages"];

/** Why a request cannot be asked so, or null. */
function refusal(body: Json): string | null {
  try {
    sent(body);
    return null;
  } catch (error) {
    return String(error);
  }
}

const notes = (body: Json) => responsesToChat.dropped(requestOf({ input: "Hi", ...body }));

describe("The table of members", () => {
  const FATES: Record<(typeof MEMBERS)[number]["fate"], string> = {
    same: "sent as it is",
    mapped: "becomes",
    kept: "kept by the proxy",
    dropped: "left out, on record",
    refused: "cannot be asked there",
  };
  const lines = MEMBERS.map(({ member, fate, words }) => [`\`${member}\``, FATES[fate], words]);

  it("is what the documentation shows", () => {
    const shown = read("docs/responses-over-chat.md")
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .map((line) =>
        line
          .slice(1, -1)
          .split("|")
          .map((cell) => cell.trim()),
      )
      .slice(0, lines.length);
    expect(shown).toEqual(lines);
  });

  it("has every member that OpenAI's document has", () => {
    const document = JSON.parse(read("test/fixtures/openai-responses-schemas.json")) as {
      components: { schemas: Record<string, Json> };
    };
    const membersOf = (schema: Json): string[] => {
      const own = Object.keys(schema["properties"] ?? {});
      const parts = (schema["allOf"] ?? []) as { $ref?: string }[];
      const named = ({ $ref = "" }) =>
        document.components.schemas[$ref.split("/").at(-1) ?? ""] ?? {};
      const inner = parts.map((part) => (part.$ref === undefined ? (part as Json) : named(part)));
      return [...own, ...inner.flatMap(membersOf)];
    };
    const known = new Set(MEMBERS.map(({ member }) => member.split(".")[0]));
    const all = membersOf(document.components.schemas["CreateResponse"] ?? {});
    expect(all.length).toBeGreaterThan(25);
    expect(all.filter((name) => !known.has(name))).toEqual([]);
  });
});

describe("Members", () => {
  it("are said in the words of chat completions", () => {
    const schema = { type: "object", properties: {} };
    const format = { type: "json_schema", name: "answer", strict: true, schema };
    expect(
      sent({
        text: { format, verbosity: "low" },
        reasoning: { effort: "high", summary: "auto" },
        max_output_tokens: 50,
        top_logprobs: 2,
        include: ["message.output_text.logprobs", "reasoning.encrypted_content"],
        temperature: 0.5,
        metadata: { a: "b" },
        store: true,
        previous_response_id: null,
        max_tool_calls: 3,
        user: null,
      }),
    ).toEqual({
      model: "m",
      messages: [{ role: "user", content: "Hi" }],
      response_format: {
        type: "json_schema",
        json_schema: { name: "answer", strict: true, schema },
      },
      verbosity: "low",
      reasoning_effort: "high",
      max_completion_tokens: 50,
      top_logprobs: 2,
      logprobs: true,
      temperature: 0.5,
    });
  });

  it("that nobody knows stay as they are spelled", () => {
    const text = '{"model":"m","input":"Hi","seed":12345678901234567890,"top_k":1.0}';
    const request = responsesDialect.readRequest(text);
    if (request === null) throw new Error("That is no request");
    expect(responsesToChat.request(request)).toBe(
      '{"model":"m","seed":12345678901234567890,"top_k":1.0,"messages":[{"role":"user","content":"Hi"}]}',
    );
  });

  it.each([
    [{ background: true }, "background is set"],
    [{ conversation: "conv_1" }, "conversation is set"],
    [{ prompt: { id: "pmpt_1" } }, "prompt is set"],
    [{ tool_choice: { type: "web_search_preview" } }, "web_search_preview"],
    [{ tools: [{ type: "file_search" }], tool_choice: "required" }, "file_search"],
    [{ input: [{ type: "item_reference", id: "msg_1" }] }, "Item with id 'msg_1' not found"],
    [{ previous_response_id: "resp_1" }, "previous response"],
    [{ input: [{ type: "compaction", encrypted_content: "x" }] }, "compaction"],
    [
      { input: [{ role: "user", content: [{ type: "input_image", file_id: "file_1" }] }] },
      "input_image",
    ],
  ])("without a counterpart are refused by name: %j", (body, name) => {
    expect(refusal(body)).toContain(name);
  });

  it("that change little are left out, and on record", () => {
    const body = {
      truncation: "auto",
      stream: true,
      stream_options: { include_obfuscation: true },
      tools: [{ type: "web_search" }, { type: "function", name: "f" }],
      include: ["web_search_call.action.sources"],
      input: [{ type: "web_search_call", id: "ws_1", status: "completed" }],
    };
    expect(refusal(body)).toBeNull();
    expect(notes(body).join("\n")).toMatch(
      /truncation[^]*include_obfuscation|include_obfuscation[^]*truncation/,
    );
    expect(notes(body).join("\n")).toMatch(/sources[^]*tool web_search[^]*web_search_call/);
    expect(sent(body)).not.toHaveProperty("stream_options");
    expect(notes({ truncation: "disabled", background: false })).toEqual([]);
  });
});

describe("Tools", () => {
  const parameters = { type: "object", properties: {} };
  const search = { type: "function", name: "search", parameters, strict: true };
  const spawn = { type: "function", name: "spawn", description: "d", parameters, strict: null };
  const agents = { type: "namespace", name: "agents", description: "", tools: [spawn] };

  it("of a namespace have its name before theirs, unlike any other's", () => {
    const taken = { type: "function", name: "agents__spawn", parameters };
    const { tools } = sent({ tools: [search, agents, taken] });
    expect(tools).toEqual([
      { type: "function", function: { name: "search", parameters, strict: true } },
      { type: "function", function: { name: "agents__spawn_2", description: "d", parameters } },
      { type: "function", function: { name: "agents__spawn", parameters } },
    ]);
  });

  it.each([
    ["auto", "auto"],
    ["none", "none"],
    ["required", "required"],
    [
      { type: "function", name: "search" },
      { type: "function", function: { name: "search" } },
    ],
    [
      { type: "function", name: "spawn", namespace: "agents" },
      { type: "function", function: { name: "agents__spawn" } },
    ],
    [
      { type: "custom", name: "patch" },
      { type: "function", function: { name: "patch" } },
    ],
  ])("are chosen as the client chooses: %j", (choice, expected) => {
    const tools = [search, agents, { type: "custom", name: "patch" }];
    expect(sent({ tools, tool_choice: choice })["tool_choice"]).toEqual(expected);
  });

  it("in the input are offered as those of the request; the last of a name counts", () => {
    const item = (...tools: Json[]) => ({ type: "additional_tools", role: "developer", tools });
    const found = {
      type: "tool_search_output",
      call_id: "c",
      execution: "client",
      tools: [agents],
    };
    const input = [
      item({ ...search, description: "old" }, { type: "web_search" }),
      { role: "user", content: "Hi" },
      { type: "tool_search_call", call_id: "c", execution: "client", arguments: { query: "a" } },
      found,
      item({ ...search, description: "new" }),
    ];
    const body = sent({ input, tools: [agents] });
    expect(body["tools"]).toMatchObject([
      { function: { name: "agents__spawn" } },
      { function: { name: "search", description: "new" } },
    ]);
    expect(body["messages"]).toMatchObject([
      { role: "user" },
      { role: "assistant", tool_calls: [{ id: "c" }] },
      { role: "tool", tool_call_id: "c", content: "Found tools: agents" },
    ]);
    expect(notes({ input })).toEqual(["Left out the tool web_search: chat completions have none"]);
  });

  it("that are not allowed are not offered", () => {
    const choice = (mode: string, ...allowed: Json[]) => ({
      tools: [search, agents, { type: "web_search" }],
      tool_choice: { type: "allowed_tools", mode, tools: allowed },
    });
    const body = sent(choice("required", { type: "function", name: "search" }));
    expect(body["tool_choice"]).toBe("required");
    expect(body["tools"]).toMatchObject([{ function: { name: "search" } }]);
    expect(refusal(choice("required", { type: "web_search" }))).toContain("web_search");
    expect(refusal(choice("auto", { type: "web_search" }))).toBeNull();
  });
});

describe("Input", () => {
  const call = (id: string) => ({ type: "function_call", call_id: id, name: "f", arguments: "{}" });
  const output = (id: string, said: unknown) => ({
    type: "function_call_output",
    call_id: id,
    output: said,
  });
  const spelled = (id: string) => ({
    id,
    type: "function",
    function: { name: "f", arguments: "{}" },
  });

  it("of one time is one message, whose results follow in the order of the calls", () => {
    expect(
      messages([
        { role: "user", content: "Q" },
        { type: "reasoning", summary: [], content: [{ type: "reasoning_text", text: "Hm." }] },
        { type: "message", role: "assistant", content: [{ type: "output_text", text: "A" }] },
        call("1"),
        call("2"),
        output("2", "two"),
        output("1", [{ type: "input_text", text: "one" }]),
        { type: "reasoning", summary: [{ type: "summary_text", text: "Then." }] },
        { role: "assistant", content: "B" },
      ]),
    ).toEqual([
      { role: "user", content: "Q" },
      {
        role: "assistant",
        content: "A",
        reasoning_content: "Hm.",
        tool_calls: [spelled("1"), spelled("2")],
      },
      { role: "tool", tool_call_id: "1", content: "one" },
      { role: "tool", tool_call_id: "2", content: "two" },
      { role: "assistant", content: "B", reasoning_content: "Then." },
    ]);
  });

  it("of the system is one message where it begins", () => {
    const input = [
      { role: "developer", content: [{ type: "input_text", text: "Two." }] },
      { role: "user", content: "Q" },
      { role: "system", content: "Later." },
    ];
    expect(messages(input, { instructions: "One." })).toEqual([
      { role: "system", content: "One.\n\nTwo." },
      { role: "user", content: "Q" },
      { role: "system", content: "Later." },
    ]);
  });

  it("has its images, sounds and files", () => {
    const audio = { type: "input_audio", input_audio: { data: "AAA", format: "wav" } };
    const content = [
      { type: "input_text", text: "See" },
      { type: "input_image", image_url: "data:image/png;base64,AAA", detail: "high" },
      { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,AAA" },
      audio,
    ];
    expect(messages([{ role: "user", content }])).toEqual([
      {
        role: "user",
        content: [
          { type: "text", text: "See" },
          { type: "image_url", image_url: { url: "data:image/png;base64,AAA", detail: "high" } },
          {
            type: "file",
            file: { file_data: "data:application/pdf;base64,AAA", filename: "a.pdf" },
          },
          audio,
        ],
      },
    ]);
  });

  it("shows an output's images after all results", () => {
    const image = { type: "input_image", image_url: "data:image/png;base64,AAA" };
    expect(messages([call("1"), call("2"), output("1", [image]), output("2", "two")])).toEqual([
      { role: "assistant", content: null, tool_calls: [spelled("1"), spelled("2")] },
      { role: "tool", tool_call_id: "1", content: expect.stringContaining("message that follows") },
      { role: "tool", tool_call_id: "2", content: "two" },
      {
        role: "user",
        content: [
          { type: "text", text: "[from the result of the tool f, call 1]" },
          { type: "image_url", image_url: { url: "data:image/png;base64,AAA" } },
        ],
      },
    ]);
  });

  it("has calls of built-in tools that a client ran", () => {
    const shell = {
      type: "local_shell_call",
      id: "lsh_1",
      call_id: "1",
      status: "completed",
      action: { type: "exec", command: ["ls"] },
    };
    expect(
      messages([shell, { type: "local_shell_call_output", call_id: "1", output: "a" }]),
    ).toEqual([
      {
        role: "assistant",
        content: null,
        tool_calls: [
          {
            id: "1",
            type: "function",
            function: {
              name: "local_shell",
              arguments: '{"action":{"type":"exec","command":["ls"]}}',
            },
          },
        ],
      },
      { role: "tool", tool_call_id: "1", content: "a" },
    ]);
  });

  it("is what upstream said and was told, when it is put back", () => {
    const image = { type: "image_url", image_url: { url: "data:image/png;base64,AAA" } };
    const label = "[from the result of the tool f, call 1: image 1: image/png, 2 B]";
    const said = [
      {
        role: "assistant",
        content: "A",
        reasoning_content: "Hm.",
        tool_calls: [spelled("1"), spelled("2")],
      },
      { role: "tool", tool_call_id: "1", content: "[image 1: image/png, 2 B]" },
      { role: "tool", tool_call_id: "2", content: "two" },
      { role: "user", content: [{ type: "text", text: label }, image] },
      { role: "assistant", content: "Done." },
    ];
    expect(messages(responsesToChat.items(structuredClone(said)))).toEqual(said);
  });
});
