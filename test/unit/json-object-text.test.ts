import { expect, it } from "vitest";
import {
  appendElements,
  memberText,
  readElements,
  setMembers,
} from "../../src/openai/json-object-text.ts";

const BACKSLASHES = "\\\\".repeat(5);
const QUOTES = String.raw`\"`.repeat(20);

/** Bodies whose texts a careless reader would look at again and again. */
const BODIES: Record<string, (count: number) => string> = {
  "many messages": (count) => `{"a":[${'{"role":"user","content":"x"},'.repeat(count)}1]}`,
  "many names": (count) =>
    `{${Array.from({ length: count }, (_, index) => `"k${index}":1`).join(",")},"a":[1]}`,
  "escaped quotes": (count) => `{"a":["${QUOTES.repeat(count)}"]}`,
  backslashes: (count) => `{"a":["${BACKSLASHES.repeat(count)}"]}`,
  nested: (count) => `{"a":${"[".repeat(count)}${"]".repeat(count)}}`,
  spaces: (count) => `{"a":[1${" ".repeat(count * 10)}]}`,
};

/** CPU time in milliseconds, so that what else runs on the machine does not count. */
function timeOf(text: string): number {
  const before = process.threadCpuUsage();
  const a = memberText(text, "a") ?? "[]";
  const added = appendElements(a, ["1"]);
  readElements(a);
  setMembers(text, { a: added });
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}

it.each(Object.entries(BODIES))(
  "a body of %s that is ten times as long takes about ten times as long",
  (_name, bodyOf) => {
    const [small, large] = [bodyOf(20_000), bodyOf(200_000)];
    timeOf(small);
    const short = Math.min(timeOf(small), timeOf(small));
    // Time that grows with the square is a hundred times as long.
    expect(timeOf(large)).toBeLessThan(Math.max(short, 5) * 40);
  },
);
