/** A tool's schema as OpenAI takes it: no row of these may be a 400. */
import { describe, expect, it } from "vitest";
import { functionDefinition } from "../../src/tools/function-definition.ts";

type Json = Record<string, unknown>;
const TEXT = { type: "string" };
const NUMBER = { type: "number" };

const parametersOf = (parameters: Json) =>
  functionDefinition({ name: "a", description: "", parameters })["parameters"] as Json;
const object = (properties: Json, more: Json = {}) => ({ type: "object", properties, ...more });

describe("the parameters of a function", () => {
  it.each<[string, Json, Json]>([
    [
      "a plain schema as it is",
      object({ a: TEXT }, { required: ["a"], additionalProperties: false }),
      object({ a: TEXT }, { required: ["a"], additionalProperties: false }),
    ],
    ["a type and properties where there are none", {}, object({})],
    [
      "no name of the document, and no word for MCP's transport",
      { $schema: "x", $id: "y", ...object({ a: { ...TEXT, "x-mcp-header": "A" } }) },
      object({ a: TEXT }),
    ],
    [
      "properties that are called like words of schemas",
      object({ "x-mcp-header": TEXT, $schema: TEXT, items: TEXT }),
      object({ "x-mcp-header": TEXT, $schema: TEXT, items: TEXT }),
    ],
    [
      "no properties that are no schemas",
      object({ a: TEXT, b: "string", c: null, d: [TEXT], e: true }),
      object({ a: TEXT, e: true }),
    ],
    [
      "no demand for properties that are not there",
      object({ a: TEXT }, { required: ["a", "b", 1] }),
      object({ a: TEXT }, { required: ["a"] }),
    ],
    [
      "items where an array has none",
      object({ a: { type: "array" }, b: { type: ["array", "null"] } }),
      object({ a: { type: "array", items: {} }, b: { type: ["array", "null"], items: {} } }),
    ],
    [
      "definitions, and references to them",
      object({ a: { $ref: "#/$defs/A" } }, { $defs: { A: TEXT } }),
      object({ a: { $ref: "#/$defs/A" } }, { $defs: { A: TEXT } }),
    ],
    [
      "what a reference at the root leads to",
      { $ref: "#/definitions/A", definitions: { A: object({ a: TEXT }, { required: ["a"] }) } },
      object(
        { a: TEXT },
        { definitions: { A: object({ a: TEXT }, { required: ["a"] }) }, required: ["a"] },
      ),
    ],
    [
      "values that look like schemas as values",
      object({ a: { enum: [{ $schema: "x" }], default: { "x-mcp-header": 1 } } }),
      object({ a: { enum: [{ $schema: "x" }], default: { "x-mcp-header": 1 } } }),
    ],
  ])("has %s", (_title, parameters, expected) => {
    expect(parametersOf(parameters)).toEqual(expected);
  });

  it("has the properties of all alternatives at the root, and the rule in words", () => {
    const anyOf = [
      object({ id: TEXT, a: TEXT }, { required: ["id", "a"] }),
      object({ id: TEXT, a: NUMBER }, { required: ["id"] }),
    ];
    expect(parametersOf({ type: "object", anyOf, description: "Who." })).toEqual({
      ...object({ id: TEXT, a: { anyOf: [TEXT, NUMBER] } }),
      required: ["id"],
      description: `Who.\nThe arguments must also fit: ${JSON.stringify({ anyOf })}`,
    });
  });

  it("has everything that allOf asks for, and no not and enum at the root", () => {
    const parameters = {
      allOf: [object({ a: TEXT }, { required: ["a"] }), { $ref: "#/$defs/B" }],
      not: { required: ["c"] },
      $defs: { B: object({ b: TEXT }) },
    };
    const { description, ...schema } = parametersOf(parameters);
    expect(schema).toEqual({
      ...object({ a: TEXT, b: TEXT }),
      $defs: parameters.$defs,
      required: ["a"],
    });
    expect(description).toContain('"not":{"required":["c"]}');
  });

  it("does not go round in a schema that refers to itself", () => {
    expect(parametersOf({ $ref: "#/$defs/A", $defs: { A: { $ref: "#/$defs/A" } } })).toMatchObject(
      object({}),
    );
    expect(parametersOf({ $ref: "#" })).toMatchObject(object({}));
    expect(parametersOf(object({ a: { $ref: "#" } }))).toEqual(object({ a: { $ref: "#" } }));
  });

  it("is spelled the same each time, and says nothing of strict", () => {
    const tool = {
      name: "a",
      description: "b",
      parameters: object({ z: TEXT, a: NUMBER }, { required: ["z"] }),
    };
    expect(JSON.stringify(functionDefinition(tool))).toBe(
      JSON.stringify(functionDefinition(structuredClone(tool))),
    );
    expect(Object.keys(functionDefinition(tool))).toEqual(["name", "description", "parameters"]);
  });
});

describe("the description of a function", () => {
  it("has at most 1024 characters, and goes on where there is no limit", () => {
    const words = Array.from({ length: 400 }, (_, index) => `word${index}`).join(" ");
    const definition = functionDefinition({
      name: "a",
      description: words,
      parameters: object({ a: TEXT }, { description: "Own." }),
    });
    const [start, rest] = [
      String(definition["description"]),
      String((definition["parameters"] as Json)["description"]),
    ];
    expect(start.length).toBeLessThanOrEqual(1024);
    expect(start).toMatch(/word\d+…$/);
    expect(rest).toMatch(/^… word\d+ .*word399\nOwn\.$/);
    expect(start.slice(0, -1) + rest.slice(1, -"\nOwn.".length)).toBe(words);
  });

  it("is cut nowhere within a character, and not at all where it fits", () => {
    const emoji = "🎉".repeat(600);
    const { description } = functionDefinition({ name: "a", description: emoji, parameters: {} });
    expect(String(description).isWellFormed()).toBe(true);
    const fits = "x".repeat(1024);
    expect(
      functionDefinition({ name: "a", description: fits, parameters: {} })["description"],
    ).toBe(fits);
  });
});
