/** Tools whose schemas OpenAI would refuse as they are. */
import { describe, expect, it } from "vitest";
import { specFaults } from "../helpers/openai-spec.ts";
import { proxy } from "../helpers/proxy.ts";
import { completion, sentMessages, startUpstream, toolCall } from "../helpers/upstream.ts";

const TEXT = { type: "string" };

interface SentFunction {
  name: string;
  description: string;
  parameters: Record<string, unknown>;
}

/** A key with one tool, whose model calls it with these arguments. */
async function calling(fields: Record<string, unknown>, ...args: unknown[]) {
  const tool = await proxy.createTool({
    name: "odd",
    type: "function",
    implementation: "return args;",
    ...fields,
  });
  const upstream = await startUpstream(
    completion({
      tool_calls: args.map((each, index) => toolCall(`call_${index}`, tool.name, each)),
    }),
    completion({ content: "Done." }),
  );
  const { key } = await proxy.createKey({ toolIds: [tool.id], openaiBaseUrl: upstream.url });
  await proxy
    .client(key)
    .chat.completions.create({ model: "gpt-test", messages: [{ role: "user", content: "go" }] });
  const sent = upstream.requests.map((request) => request.json());
  for (const body of sent) expect(specFaults("CreateChatCompletionRequest", body)).toEqual([]);
  expect(JSON.stringify(sent[1]?.["tools"]), "spelled the same in each round").toBe(
    JSON.stringify(sent[0]?.["tools"]),
  );
  const [definition] = (sent[0]?.["tools"] ?? []) as { function: SentFunction }[];
  const results = sentMessages(upstream, 1).filter(({ role }) => role === "tool");
  return { definition: definition?.function, results: results.map(({ content }) => content) };
}

describe("a tool whose schema OpenAI would refuse", () => {
  it("with alternatives at the root is offered without them, and its calls are held against them", async () => {
    const parameters = {
      type: "object",
      properties: { id: TEXT, name: TEXT },
      anyOf: [{ required: ["id"] }, { required: ["name"] }],
      $schema: "http://json-schema.org/draft-07/schema#",
    };
    const { definition, results } = await calling({ parameters }, { id: "1" }, {});
    expect(definition?.parameters).toEqual({
      type: "object",
      properties: { id: TEXT, name: TEXT },
      description: expect.stringContaining(
        '"anyOf":[{"required":["id"]},{"required":["name"]}]',
      ) as unknown,
    });
    expect(results[0]).toBe('{"id":"1"}');
    expect(results[1]).toContain("do not fit");
  });

  it("with words of MCP's transport, arrays of nothing in particular, and demands for what is not there is offered without", async () => {
    const parameters = {
      type: "object",
      properties: { region: { type: "string", "x-mcp-header": "Region" }, list: { type: "array" } },
      required: ["region"],
    };
    const { definition } = await calling({ parameters }, { region: "eu" });
    expect(definition?.parameters).toEqual({
      type: "object",
      properties: { region: TEXT, list: { type: "array", items: {} } },
      required: ["region"],
    });
  });

  it("with a description of more than 1024 characters is offered with all of it", async () => {
    const description = Array.from({ length: 400 }, (_, index) => `word${index}`).join(" ");
    const { definition } = await calling(
      { description, parameters: { type: "object", properties: {} } },
      {},
    );
    expect(definition?.description.length).toBeLessThanOrEqual(1024);
    expect(
      `${definition?.description.slice(0, -1)}${String(definition?.parameters["description"]).slice(1)}`,
    ).toBe(description);
  });
});
