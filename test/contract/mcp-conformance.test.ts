/**
 * The protocol's own suite, all scenarios of both eras. What the router does not have is listed
 * here with the reason; a check that fails beside these, and one of these that passes, fails the
 * test.
 */
import { expect, it } from "vitest";
import { failuresOf, runConformance, startFront } from "../helpers/mcp-conformance.ts";
import { startRemote, tool } from "../helpers/remote-mcp.ts";
import { proxy } from "../helpers/proxy.ts";

/**
 * Tools with the names that the suite looks for. The key has them, so that they show what becomes
 * of an operator's tools.
 */
const FIXTURES = [
  {
    name: "test_simple_text",
    parameters: { type: "object", properties: {} },
    implementation: 'return "This is a simple text response for testing.";',
  },
  {
    name: "test_error_handling",
    parameters: { type: "object", properties: {} },
    implementation: 'throw new Error("This tool intentionally returns an error for testing");',
  },
  {
    name: "json_schema_2020_12_tool",
    parameters: {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "object",
      $defs: {
        address: {
          $anchor: "addressDef",
          type: "object",
          properties: { street: { type: "string" }, city: { type: "string" } },
        },
      },
      properties: {
        name: { type: "string" },
        address: { $ref: "#/$defs/address" },
        contactMethod: { type: "string", enum: ["phone", "email"] },
        phone: { type: "string" },
        email: { type: "string" },
      },
      allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
      if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
      // Written out, an object with this member looks like a promise.
      ...(JSON.parse('{"then":{"required":["phone"]}}') as object),
      else: { required: ["email"] },
      additionalProperties: false,
    },
    implementation: "return 1;",
  },
  {
    name: "test_custom_headers",
    parameters: {
      type: "object",
      properties: {
        region: { type: "string", "x-mcp-header": "Region" },
        priority: { type: "integer", "x-mcp-header": "Priority" },
        verbose: { type: "boolean", "x-mcp-header": "Verbose" },
      },
    },
    implementation: "return 1;",
  },
];

const PIXEL =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
const SILENCE = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

const IMAGE = { type: "image", data: PIXEL, mimeType: "image/png" };
const embedded = (uri: string, mimeType: string, text: string) => ({
  type: "resource",
  resource: { uri, mimeType, text },
});

/** Content of tools that an MCP server of the operator's has. */
const CONTENT: Record<string, Record<string, unknown>[]> = {
  test_image_content: [IMAGE],
  test_audio_content: [{ type: "audio", data: SILENCE, mimeType: "audio/wav" }],
  test_embedded_resource: [
    embedded("test://embedded-resource", "text/plain", "This is an embedded resource content."),
  ],
  test_multiple_content_types: [
    { type: "text", text: "Multiple content types test:" },
    IMAGE,
    embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
  ],
  test_tool_with_progress: [{ type: "text", text: "done" }],
};

/** Starts that server, and makes tools of it. */
async function mcpTools(): Promise<Record<string, unknown>[]> {
  const { url } = await startRemote("both", {
    tools: Object.keys(CONTENT).map((name) => tool(name)),
    call: async ({ name, progress }) => {
      for (const value of name === "test_tool_with_progress" ? [0, 50, 100] : []) {
        await progress(value);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return { content: CONTENT[name] ?? [] };
    },
  });
  return Object.keys(CONTENT).map((name) => ({ name, type: "mcp", mcpServerUrl: url }));
}

/** What the router does not have, and the checks that want it. */
const EXCEPTIONS: { reason: string; checks: Record<string, string[]> }[] = [
  {
    reason: "The router has tools only: no resources, prompts, completions or log messages",
    checks: {
      "completion-complete": ["completion-complete"],
      "logging-set-level": ["logging-set-level"],
      "prompts-list": ["prompts-list"],
      "prompts-get-simple": ["prompts-get-simple"],
      "prompts-get-with-args": ["prompts-get-with-args"],
      "prompts-get-embedded-resource": ["prompts-get-embedded-resource"],
      "prompts-get-with-image": ["prompts-get-with-image"],
      "resources-list": ["resources-list"],
      "resources-read-text": ["resources-read-text"],
      "resources-read-binary": ["resources-read-binary"],
      "resources-subscribe": ["resources-subscribe"],
      "resources-templates-read": ["resources-templates-read"],
      "resources-unsubscribe": ["resources-unsubscribe"],
      "tools-call-with-logging": ["tools-call-with-logging"],
      caching: [
        "sep-2549-prompts-list-caching-hints",
        "sep-2549-resources-list-caching-hints",
        "sep-2549-resources-templates-list-caching-hints",
      ],
    },
  },
  {
    reason:
      "The router asks nothing of its clients: no sampling, elicitation, roots or further input",
    checks: {
      "elicitation-sep1034-defaults": ["elicitation-sep1034-general"],
      "elicitation-sep1330-enums": ["elicitation-sep1330-general"],
      "tools-call-elicitation": ["tools-call-elicitation"],
      "tools-call-sampling": ["tools-call-sampling"],
      "input-required-result-basic-elicitation": ["sep-2322-elicitation-incomplete"],
      "input-required-result-basic-list-roots": ["sep-2322-list-roots-incomplete"],
      "input-required-result-basic-sampling": ["sep-2322-sampling-incomplete"],
      "input-required-result-capability-check": ["sep-2322-respect-client-capabilities"],
      "input-required-result-multi-round": ["sep-2322-multi-round-r1"],
      "input-required-result-multiple-input-requests": ["sep-2322-multiple-inputs-incomplete"],
      "input-required-result-non-tool-request": ["sep-2322-non-tool-incomplete"],
      "input-required-result-request-state": ["sep-2322-request-state-incomplete"],
      "input-required-result-result-type": ["sep-2322-result-type-included"],
      "input-required-result-tampered-state": ["sep-2322-reject-tampered-state"],
      "server-stateless": [
        "sep-2575-http-server-no-independent-requests-on-stream",
        "sep-2575-missing-capability-http-400",
        "sep-2575-server-no-log-without-loglevel",
        "sep-2575-server-rejects-undeclared-capability",
      ],
    },
  },
];

/**
 * On workerd the platform alone decides which host names reach the Worker: a foreign one cannot.
 * See mcp-http.test.ts.
 */
const WORKERD_EXCEPTIONS = { "dns-rebinding-protection": ["localhost-host-rebinding-rejected"] };

it(
  "conforms to the protocol in both eras, but for what it does not have",
  { timeout: 120_000 },
  async () => {
    const toolIds: string[] = [];
    for (const fixture of [
      ...FIXTURES.map((one) => ({ ...one, type: "function" })),
      ...(await mcpTools()),
    ]) {
      const answer = await proxy.admin("/tools", {
        json: { ...fixture, description: "A tool of the conformance suite" },
      });
      expect(answer.status, JSON.stringify(fixture)).toBe(201);
      toolIds.push(((await answer.json()) as { id: string }).id);
    }
    const { key } = await proxy.createKey({ toolIds });
    const checked = await runConformance(await startFront(key), ["--suite", "all"]);
    // An extension, which the SDK does not have either; a server without it fails all of its
    // scenarios.
    for (const scenario of checked.keys())
      if (scenario.startsWith("tasks-")) checked.delete(scenario);
    expect(checked.size).toBeGreaterThan(50);
    const expected = Object.assign(
      {},
      ...EXCEPTIONS.map(({ checks }) => checks),
      proxy.target === "workerd" ? WORKERD_EXCEPTIONS : {},
    ) as object;
    expect(failuresOf(checked)).toEqual(expected);
    const passed = [...checked.values()].flat().filter(({ status }) => status === "SUCCESS");
    expect(passed.length).toBeGreaterThan(110);
  },
);
