import { afterAll, describe, expect, it } from "vitest";
import { createHeavyWork } from "../../src/node/heavy-work.ts";
import { patternCost } from "../../src/tools/pattern-cost.ts";
import { checkArguments, type CheckedArguments } from "../../src/tools/tool-schema.ts";
import { longestHold } from "../helpers/longest-hold.ts";

const heavy = createHeavyWork();
afterAll(() => heavy.close());

type Schema = Record<string, unknown>;

const textSchema = (schema: Schema): Schema => ({ type: "object", properties: { a: schema } });

/** A definition that refers to the one below it twice, so that its checks double at each level. */
function doubling(levels: number): Schema {
  const names = Array.from({ length: levels }, (_, index) => `d${index}`);
  const definitions = names.map((name, index) => {
    const below = { $ref: `#/$defs/d${index + 1}` };
    return [name, index === levels - 1 ? { type: "string" } : { allOf: [below, below] }];
  });
  return {
    type: "object",
    properties: { a: { $ref: "#/$defs/d0" } },
    $defs: Object.fromEntries(definitions) as Schema,
  };
}

const objects = (count: number) => Array.from({ length: count }, (_, index) => ({ id: index }));
const backtracking = `${"a".repeat(31)}!`;

/** Checks that hold a thread for seconds, or for ever. */
const OFFENDERS: Record<string, { parameters: Schema; a: unknown }> = {
  "20,000 objects that must differ": {
    parameters: textSchema({ type: "array", uniqueItems: true }),
    a: objects(20_000),
  },
  "words and spaces": {
    parameters: textSchema({ type: "string", pattern: String.raw`^([a-zA-Z0-9]+\s?)+$` }),
    a: backtracking,
  },
  "(a|a)*$": { parameters: textSchema({ pattern: "^(a|a)*$" }), a: backtracking },
  "(.*)*x": { parameters: textSchema({ pattern: "^(.*)*x$" }), a: backtracking },
  "a repeated class between two others": {
    parameters: textSchema({ pattern: "a*a*a*a*a*b$" }),
    a: "a".repeat(3000),
  },
  "a back reference": { parameters: textSchema({ pattern: "^(a+)+\\1b$" }), a: backtracking },
  "a name's pattern": {
    parameters: textSchema({ type: "object", patternProperties: { "^(a+)+$": true } }),
    a: { [backtracking]: 1 },
  },
  "definitions that double": { parameters: doubling(40), a: "x" },
  "a schema that contains itself": {
    parameters: textSchema({ allOf: [{ $ref: "#/properties/a" }] }),
    a: 1,
  },
  "an item that contains 3,000 numbers": {
    parameters: textSchema({
      type: "array",
      items: { enum: Array.from({ length: 3000 }, (_, index) => ({ index })) },
    }),
    a: objects(20_000),
  },
  "every item in 300 ways": {
    parameters: textSchema({
      type: "array",
      contains: {
        anyOf: Array.from({ length: 300 }, (_, index) => ({
          type: "object",
          required: [`r${index}`],
        })),
      },
    }),
    a: objects(20_000),
  },
};

async function check(
  { parameters, a }: { parameters: Schema; a: unknown },
  where: typeof heavy | null = heavy,
): Promise<CheckedArguments> {
  const text = JSON.stringify({ a });
  return checkArguments({ heavy: where }, { tool: { parameters }, text, owner: "someone" });
}

describe.each([
  ["with threads", heavy, 50],
  // What one thread does for all is done in slices of the isolate's time, which ends at 0.3 s.
  ["without threads", null, 600],
])("a check of arguments, %s,", (_title, where, maxHold) => {
  it.each(Object.entries(OFFENDERS))("ends and lets others go: %s", async (_name, offender) => {
    const startedAt = performance.now();
    const checking = { checked: { violation: "" } as CheckedArguments };
    const held = await longestHold(async () => {
      checking.checked = await check(offender, where);
    });
    const { checked } = checking;
    expect(held).toBeLessThan(maxHold);
    expect(performance.now() - startedAt).toBeLessThan(8000);
    const answer = "violation" in checked ? checked.violation : "fits";
    expect(answer).toMatch(/^(?:The tool was not run|fits$|The arguments do not fit)/);
  });
});

describe("arguments", () => {
  const violation = (checked: CheckedArguments) =>
    "violation" in checked ? checked.violation : "none";

  it("are told what does not fit, in a thread as at once", async () => {
    const parameters = textSchema({ type: "array", items: { type: "string" }, uniqueItems: true });
    const fault = '- at #/a/1: Instance type "number" is invalid. Expected "string".';
    expect(violation(await check({ parameters, a: ["x", 1] }))).toContain(fault);
    const many = ["x", 1, ...Array.from({ length: 5000 }, (_, index) => `${index}`)];
    expect(violation(await check({ parameters, a: many }))).toContain(fault);
  });

  it("fit in a thread, and the thread is there for the next one after one too long", async () => {
    const parameters = textSchema({ pattern: String.raw`^([a-zA-Z0-9]+\s?)+$` });
    const slow = check({ parameters, a: backtracking });
    expect(violation(await check({ parameters, a: "many words that do fit here" }))).toBe("none");
    expect(violation(await slow)).toContain("in time");
    expect(violation(await check({ parameters, a: "many words that do fit here" }))).toBe("none");
  });

  it("of another owner do not wait for those of a busy one", async () => {
    const parameters = textSchema({ pattern: "^(a+)+$" });
    const busy = Promise.all(
      Array.from({ length: 4 }, () => check({ parameters, a: backtracking })),
    );
    const text = JSON.stringify({ a: "a".repeat(30) });
    const startedAt = performance.now();
    await checkArguments({ heavy }, { tool: { parameters }, text, owner: "another" });
    expect(performance.now() - startedAt).toBeLessThan(3500);
    await busy;
  });

  it("have bounds like a body", async () => {
    const text = `{"a":${"[".repeat(200_000)}${"]".repeat(200_000)}}`;
    const call = { tool: { parameters: { type: "object" } }, text, owner: "" };
    expect(violation(await checkArguments({ heavy }, call))).toContain("256 levels");
  });

  it("whose schema names a member type, or has one as a value, are checked as before", async () => {
    const parameters = {
      type: "object",
      properties: { type: { type: "string" }, a: { const: { type: "x" } } },
      required: ["type"],
      additionalProperties: false,
    };
    const checked = async (text: string) =>
      violation(await checkArguments({ heavy }, { tool: { parameters }, text, owner: "" }));
    expect(await checked('{"type":"b","a":{"type":"x"}}')).toBe("none");
    expect(await checked('{"type":1}')).toContain("at #/type");
    expect(await checked('{"type":"b","a":{"type":"y"}}')).toContain("at #/a");
    expect(await checked("{}")).toContain("type");
  });
});

describe("a pattern's cost", () => {
  it.each([
    ["^[a-z0-9-]+$", 100],
    [String.raw`^\d{4}-\d{2}-\d{2}$`, 1],
    [String.raw`^(\d{1,3}\.){3}\d{1,3}$`, 100],
    ["^(foo|bar)$", 1000],
    ["abc", 1000],
  ])("%s is small", (pattern, cost) => {
    expect(patternCost(pattern)(100)).toBeLessThanOrEqual(cost);
  });

  it.each(["(a+)+", "(a|a)*", "(a?)*", "((a)|b*)*", String.raw`(a)\1*`, "(?:a{0,5}){30}", "(a*)+"])(
    "%s is more than can be waited for",
    (pattern) => {
      expect(patternCost(pattern)(100)).toBeGreaterThan(1e9);
    },
  );
});
