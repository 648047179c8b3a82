/**
 * The table of what becomes of a chat request's members over Responses: complete, and documented.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, it } from "vitest";
import { CHAT_MEMBERS } from "../../src/dialects/between/chat-members.ts";

const ROOT = resolve(import.meta.dirname, "../..");

interface Schema {
  $ref?: string;
  allOf?: Schema[];
  properties?: Record<string, unknown>;
}

/** Names of all members that the published document gives a request. */
function publishedMembers(): string[] {
  const path = `${ROOT}/test/fixtures/openai-chat-schemas.json`;
  const document = JSON.parse(readFileSync(path, "utf8")) as {
    components: { schemas: Record<string, Schema> };
  };
  const { schemas } = document.components;
  const namesOf = ({ $ref: reference, allOf = [], properties = {} }: Schema): string[] => {
    const named = reference === undefined ? undefined : schemas[reference.split("/").at(-1) ?? ""];
    return [...Object.keys(properties), ...[...allOf, ...(named ? [named] : [])].flatMap(namesOf)];
  };
  return namesOf(schemas["CreateChatCompletionRequest"] ?? {});
}

/** Cells of the table's lines. */
function documentedRows(): string[][] {
  const lines = readFileSync(`${ROOT}/docs/dialects.md`, "utf8").split("\n");
  const rows = lines.filter((line) => line.startsWith("| `"));
  return rows.map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
}

it("says of each published member what becomes of it", () => {
  const published = publishedMembers();
  expect(published.length).toBeGreaterThan(30);
  expect(published.filter((name) => !Object.hasOwn(CHAT_MEMBERS, name))).toEqual([]);
});

it("is the table of the docs", () => {
  const rows = Object.entries(CHAT_MEMBERS).map(([name, { fate, to = name, words }]) => [
    `\`${name}\``,
    fate,
    fate === "mapped" ? `\`${to}\`` : "",
    words,
  ]);
  expect(documentedRows()).toEqual(rows);
});
