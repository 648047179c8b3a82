import { describe, expect, it } from "vitest";
import { readJsonBody } from "../../src/openai/json.ts";
import { inSlices } from "../../src/openai/in-slices.ts";
import { longestHold } from "../helpers/longest-hold.ts";
import { parseSteps } from "../../src/openai/parse-in-slices.ts";

const LONG = 300_000;

/** Texts that a careless parser reads otherwise than the built-in one. */
const TEXTS = [
  "",
  " ",
  "{}",
  "[]",
  " [ ] ",
  "[1,]",
  "[,1]",
  "{,}",
  '{"a":1,}',
  '{"a"}',
  '{"a":}',
  "{1:2}",
  "[1 2]",
  "[1]]",
  "[[1]",
  '{"a":1}}',
  "]",
  "[}",
  "{]",
  "nul",
  "null",
  "nulls",
  "truefalse",
  " true ",
  "false",
  "NaN",
  "Infinity",
  "-",
  "-0",
  "00",
  "01",
  "1.",
  ".5",
  "1.0",
  "1e5",
  "1E+5",
  "1e",
  "-1.5e-3",
  "+1",
  "0x10",
  "12345678901234567890",
  "1e400",
  '"',
  '"a',
  '"a"',
  '"a"b',
  '"\\"',
  '"\\\\"',
  '"\\\\\\""',
  '"\\u00e9\\uD83D\\ude00\\/\\b\\f\\n\\r\\t"',
  '"\\u00g0"',
  '"\\x"',
  '"\t"',
  '"\u0000"',
  '"\u2028\u2029é😀"',
  "\uFEFF1",
  "\u00A01",
  '{"a":1,"a":2,"__proto__":{"x":1},"constructor":3,"":4,"10":5,"2":6}',
  '{"a":{"b":[{"c":[[],{},[{}]]},null,true,"x",1]}}',
  ' {\n"a" : [ 1 , 2 ]\r,\t"b" : { } } ',
  JSON.stringify("\\".repeat(LONG)),
  JSON.stringify('"'.repeat(LONG)),
  JSON.stringify("\u0001".repeat(LONG)),
  JSON.stringify("a😀".repeat(LONG)),
  `"${"\\uD83D\\ude00a".repeat(LONG / 4)}"`,
  `"${"abc\\n\\\\u0041".repeat(LONG / 4)}"`,
  `"${"a".repeat(LONG)}\\q"`,
  JSON.stringify(Array.from({ length: 30_000 }, (_, index) => ({ [`k${index}`]: index }))),
];

const parsed = (text: string): unknown => {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return "no JSON";
  }
};

const parsedInSlices = async (text: string): Promise<unknown> => {
  try {
    return { value: await inSlices(parseSteps(text)) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return "no JSON";
  }
};

describe("a large request body", () => {
  it.each(TEXTS.map((text) => [text.slice(0, 60), text]))(
    "%j is what JSON.parse makes of it",
    async (_start, text) => {
      const [expected, value] = [parsed(text), await parsedInSlices(text)];
      expect(value).toEqual(expected);
      expect(JSON.stringify(value)).toBe(JSON.stringify(expected));
    },
  );

  it("is what JSON.parse makes of it, wherever escapes fall at a piece's border", async () => {
    for (let shift = 0; shift < 16; shift++) {
      const text = `"${"x".repeat(262_144 - shift)}\\\\\\u0041\\"\\\\${"y".repeat(20)}"`;
      expect(await parsedInSlices(text)).toEqual(parsed(text));
    }
  });

  it("lets others go while it is parsed", async () => {
    const names = Array.from({ length: 10_000 }, (_, index) => `"k${index}":1`).join(",");
    const text = `[${Array.from({ length: 30 }, () => `{${names}}`).join(",")}]`;
    let value: unknown;
    const held = await longestHold(async () => {
      value = await readJsonBody(text);
    });
    expect(value).toHaveLength(30);
    expect(held).toBeLessThan(50);
  });
});

describe("a body beyond the bounds", () => {
  const deep = (levels: number) => `${"[".repeat(levels)}${"]".repeat(levels)}`;

  it.each([
    ["small and deep", deep(257), "256 levels"],
    ["deep objects", `${'{"a":'.repeat(300)}1${"}".repeat(300)}`, "256 levels"],
    ["large and deep", deep(5_000_000), "256 levels"],
    ["a million members", `[${'{"a":1},'.repeat(500_000)}1]`, "500,000 values"],
    ["an object of many members", `{${'"a":1,'.repeat(20_001)}"a":1}`, "20,000 members"],
    ["spaces", `[${" ".repeat(1_000_001)}1]`, "million spaces"],
    ["a long number", `[${"1".repeat(100_000)}]`, "1,000 digits"],
    ["a long name", `{"${"n".repeat(100_000)}":1}`, "65,536 characters"],
    ["brackets that never end", "[".repeat(10_000), "256 levels"],
  ])("%s: is refused with the bound's name", async (_name, text, bound) => {
    const start = performance.now();
    await expect(readJsonBody(text)).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining(bound),
    });
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it("real ones pass: 10,000 messages, an image of 20 MB, 256 levels", async () => {
    const messages = Array.from({ length: 10_000 }, (_, index) => ({
      role: "user",
      content: [{ type: "text", text: `message "${index}"` }],
    }));
    const image = "A".repeat(20_000_000);
    const body = { messages, image, deep: JSON.parse(deep(255)) as unknown };
    expect(await readJsonBody(JSON.stringify(body))).toEqual(body);
    expect(await readJsonBody("{no json")).toBeUndefined();
    expect(await readJsonBody(`[${" ".repeat(100_000)}`)).toBeUndefined();
  });
});
