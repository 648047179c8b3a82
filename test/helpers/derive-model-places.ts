/** Where OpenAI's published document has models: https://github.com/openai/openai-openapi */
import { looksLikeModel } from "../../src/auth/watched-members.ts";

type Json = Record<string, unknown>;

/** What requests to one operation can name a model by, as `tools[].model`. */
export type ModelPlaces = Record<string, string[]>;

const METHODS = new Set(["get", "post", "put", "patch", "delete"]);
const COMBINED = ["allOf", "anyOf", "oneOf"];

const objectOf = (value: unknown) => (value ?? {}) as Json;
const listOf = (value: unknown) => (value ?? []) as Json[];

function createReader(document: Json) {
  const resolve = (schema: Json): Json => {
    const reference = schema["$ref"];
    if (typeof reference !== "string" || !reference.startsWith("#/")) return schema;
    const steps = reference.slice(2).split("/");
    return steps.reduce<Json>((at, step) => objectOf(at[step]), document);
  };
  const walk = (schema: Json, place: string, state: { found: Set<string>; open: string[] }) => {
    const reference = schema["$ref"];
    if (typeof reference === "string" && state.open.includes(reference)) return;
    const open = typeof reference === "string" ? [...state.open, reference] : state.open;
    const { found } = state;
    const inner = resolve(schema);
    for (const word of COMBINED)
      for (const option of listOf(inner[word])) walk(option, place, { found, open });
    for (const [name, member] of Object.entries(objectOf(inner["properties"]))) {
      const at = place === "" ? name : `${place}.${name}`;
      if (looksLikeModel(name)) found.add(at);
      walk(member as Json, at, { found, open });
    }
    if (inner["items"] !== undefined) walk(objectOf(inner["items"]), `${place}[]`, { found, open });
  };
  return (operation: Json): string[] => {
    const found = new Set<string>();
    const content = objectOf(resolve(objectOf(operation["requestBody"]))["content"]);
    for (const media of Object.values(content))
      walk(objectOf(objectOf(media)["schema"]), "", { found, open: [] });
    return [...found].toSorted();
  };
}

/** A path as the table spells it. */
const plainPath = (path: string) =>
  path
    .replace(/\?.*$/, "")
    .replaceAll(/\{([^}]+)\}/g, (_all, name: string) =>
      name.includes("model") ? "{model}" : "{id}",
    );

/** All operations that can name a model or are no GET, with the body's places. */
export function deriveModelPlaces(document: unknown): ModelPlaces {
  const read = createReader(document as Json);
  const places = new Map<string, Set<string>>();
  for (const [path, item] of Object.entries(objectOf((document as Json)["paths"])))
    for (const [method, operation] of Object.entries(item as Json)) {
      if (!METHODS.has(method)) continue;
      const found = read(operation as Json);
      const name = `${method.toUpperCase()} ${plainPath(path)}`;
      if (method === "get" && found.length === 0 && !name.includes("{model}")) continue;
      places.set(name, new Set([...(places.get(name) ?? []), ...found]));
    }
  const names = [...places.keys()].toSorted();
  return Object.fromEntries(names.map((name) => [name, [...(places.get(name) ?? [])].toSorted()]));
}

/** The places as the text of a file: an operation a line. */
export const placesText = (places: ModelPlaces) =>
  Object.entries(places)
    .map(([name, found]) => `${[name, ...found].join(" ")}\n`)
    .join("");

/** What {@link placesText} wrote. */
export const readPlaces = (text: string): ModelPlaces =>
  Object.fromEntries(
    text
      .trimEnd()
      .split("\n")
      .map((line) => {
        const [method, path, ...found] = line.split(" ");
        return [`${method} ${path}`, found];
      }),
  );
