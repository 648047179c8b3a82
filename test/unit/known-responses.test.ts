import { expect, it } from "vitest";
import { Memory } from "../../src/memory.ts";
import { KnownResponses } from "../../src/responses-socket/known-responses.ts";

const MB = 1024 * 1024;

const known = (id: string, megabytes: number) => ({
  id,
  baseId: null,
  items: ["x".repeat(megabytes * MB)],
});

it("all connections of a process know 32 MB, and what was known longest goes first", () => {
  const memory = new Memory();
  const [first, second, third] = [1, 2, 3].map(() => new KnownResponses(memory));
  first?.note(null, known("a", 15));
  second?.note(null, known("b", 15));
  first?.note("lane", known("c", 1));
  third?.note(null, known("d", 5));
  const ids = [first?.find("a"), second?.find("b"), first?.find("c"), third?.find("d")];
  expect(ids.map((found) => found?.id)).toEqual(["a", undefined, "c", "d"]);
  // What a connection knew goes with it.
  first?.forget();
  second?.note(null, known("e", 20));
  expect([third?.find("d")?.id, second?.find("e")?.id]).toEqual(["d", "e"]);
});

it("a connection knows the latest response of each lane, none that is too large", () => {
  const responses = new KnownResponses(new Memory());
  responses.note(null, known("a", 1));
  responses.note("lane", known("b", 1));
  responses.note(null, known("c", 1));
  expect(["a", "b", "c"].map((id) => responses.find(id)?.id)).toEqual([undefined, "b", "c"]);
  responses.note("lane", null);
  expect(responses.find("b")).toBeNull();
  responses.note(null, known("d", 33));
  expect(responses.find("d")).toBeNull();
});
