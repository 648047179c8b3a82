/** The table of where models are named, held against what OpenAI publishes. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { findEndpoint } from "../../src/auth/find-endpoint.ts";
import { MODEL_PLACES, NO_MODEL } from "../../src/auth/model-places.ts";
import { placeTree, WatchedMembers } from "../../src/auth/watched-members.ts";
import { deriveModelPlaces, placesText, readPlaces } from "../helpers/derive-model-places.ts";

const FIXTURE = resolve(import.meta.dirname, "../fixtures/openai-model-places.txt");
const published = readPlaces(readFileSync(FIXTURE, "utf8"));

/** What the table has beyond the document, and why. */
const BEYOND: Record<string, string> = {
  "POST /realtime/sessions model": "taken, and left out of the document",
};
/** The same of places, at whichever operation: nothing reads a model there, or not yet. */
const BEYOND_PLACES: Record<string, string> = {
  "tools[].model": "an image tool's in a response; no tool of an assistant has one",
  "tools[].tools[].model": "a namespace might hold an image tool",
  "tool_choice.model": "a choice might be taken for the tool",
  "context_management[].model": "a compaction might be done by another model",
};

const exampleOf = (path: string) =>
  `/v1${path.replaceAll("{model}", "some-model").replaceAll("{id}", "id_1")}`;

/** Whether a body with a model at this place is one that is judged there. */
function isJudged(operation: string, place: string): boolean {
  const [method = "", path = ""] = operation.split(" ");
  const { endpoint } = findEndpoint(method, exampleOf(path));
  if (endpoint === null) return false;
  if (endpoint.elsewhere !== undefined || endpoint.others?.includes(place)) return true;
  let node = placeTree(endpoint);
  for (const name of place.split(".")) {
    const next = new WatchedMembers(node, "").enter(name.replace("[]", ""));
    const inner = name.endsWith("[]") && !next?.anywhere ? next?.items : next;
    if (!inner) return false;
    node = inner;
  }
  return node.isModel;
}

describe("the table of where models are named", () => {
  const operations = Object.entries(published);

  it("has every place that OpenAI publishes", () => {
    const places = operations
      .filter(([operation]) => !/ \/(?:organization|projects)\//.test(operation))
      .flatMap(([operation, found]) => found.map((place) => [operation, place] as const));
    const missing = places.filter(([operation, place]) => !isJudged(operation, place));
    expect(missing).toEqual([]);
    expect(places.length).toBeGreaterThan(40);
    expect(isJudged("POST /files", "model")).toBe(false);
    expect(isJudged("POST /chat/completions", "tools[].model")).toBe(false);
    expect(() => isJudged("POST /responses", "tools[].planted_model")).toThrow("planted_model");
  });

  it("knows every operation that OpenAI publishes, and reads no body of one without a model", () => {
    const rows = new Set([
      ...NO_MODEL.map((path) => `POST ${path}`),
      ...MODEL_PLACES.flatMap(({ path, methods }) =>
        (methods ?? ["POST"]).map((method) => `${method} ${path.replace("{model...}", "{model}")}`),
      ),
    ]);
    const isKnown = (operation: string) =>
      rows.has(operation) || / \/(?:organization|projects)\//.test(operation);
    const asked = operations.map(([operation]) => operation);
    const listed = asked.filter((one) => one.startsWith("POST ") || one.includes("{model}"));
    expect(listed.filter((operation) => !isKnown(operation))).toEqual([]);
    const unread = operations.filter(([operation]) => {
      const [method, path = ""] = operation.split(" ");
      return method === "POST" && NO_MODEL.includes(path);
    });
    expect(unread).toHaveLength(NO_MODEL.length);
    expect(unread.filter(([, found]) => found.length > 0)).toEqual([]);
  });

  it("has nothing that OpenAI does not publish, but for what it says", () => {
    const places = MODEL_PLACES.flatMap(({ path, methods, body }) =>
      Object.keys(body ?? {}).map((place) => [`${methods?.[0] ?? "POST"} ${path}`, place] as const),
    );
    const unpublished = places.filter(([operation, place]) => {
      const start = place.replace("**", "");
      const found = published[operation] ?? [];
      return !found.some((one) => one === place || (place !== start && one.startsWith(start)));
    });
    const beyond = unpublished.filter(([, place]) => BEYOND_PLACES[place] === undefined);
    expect(beyond.map((one) => one.join(" "))).toEqual(Object.keys(BEYOND));
    const used = new Set(unpublished.map(([, place]) => place));
    expect(Object.keys(BEYOND_PLACES).filter((place) => !used.has(place))).toEqual([]);
  });

  it("is held against the document that OPENAI_OPENAPI names, or against its places as checked in", async () => {
    const path = process.env["OPENAI_OPENAPI"];
    const places =
      path === undefined ? published : deriveModelPlaces(JSON.parse(readFileSync(path, "utf8")));
    await expect(placesText(places)).toMatchFileSnapshot(FIXTURE);
    const tool = { properties: { model: {}, tools: { items: { $ref: "#/tool" } } } };
    const body = { anyOf: [{ $ref: "#/tool" }, { properties: { fallback_models: {} } }] };
    const content = { "application/json": { schema: body } };
    const paths = { "/a/{a_id}?beta=true": { post: { requestBody: { content } }, get: {} } };
    expect(deriveModelPlaces({ tool, paths })).toEqual({
      "POST /a/{id}": ["fallback_models", "model"],
    });
  });
});
