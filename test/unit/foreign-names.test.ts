/**
 * Names that others chose (of members, tools, models, headers) never reach a prototype: how the
 * source may touch a member under a name that is not written there. Behaviour is tried in
 * `test/contract/prototype-names.test.ts`; here is a guard for the code that nobody thought of.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = resolve(import.meta.dirname, "../..");
const FOLDERS = ["src", "workers", "mcp-sidecar", "mcp-stdio", "admin-ui/src"];

/** Ways of writing that are harmless only where nobody else chooses the name. */
const WAYS = {
  /**
   * `target[name] = value`: `setMember`, a `Map`, or an object without a prototype. What is no
   * number by its name is taken for a name.
   */
  assignment:
    /[\w)\]]\[(?!["'`\d]|(?:index|at|i|j|bucket|place|count|round)\])[\w.?!# ]+\]\s*(?:\?\?|\|\||\+|-)?=(?![=>])/g,
  /** `name in object`: `Object.hasOwn`. */
  in: /(?:!\(|[(&|?=]\s*|\b(?:return|filter\(\(\w+\) =>)\s+)(?!const |let )[a-z]\w* in \w[\w.]*/g,
  /** `Object.assign(target, foreign)` sets `__proto__`; a spread does not, nor a literal. */
  assign: /Object\.assign\((?!new Error)[^,]+,(?!\s*\{)/g,
};

type Way = keyof typeof WAYS;

/** Where it is harmless, and why. */
const HARMLESS: { file: string; way: Way; because: string }[] = [
  { file: "src/config/show-config.ts", way: "assignment", because: "rows of our variables" },
  { file: "src/config/show-config.ts", way: "in", because: "rows of our variables" },
  { file: "src/config/variable.ts", way: "assignment", because: "rows of our variables" },
  {
    file: "src/dialects/chat/foreign-rounds.ts",
    way: "assignment",
    because: "numbers, our fields",
  },
  { file: "src/dialects/chat/foreign-rounds.ts", way: "assign", because: "a call that we made" },
  { file: "src/limits/memory-limits.ts", way: "assignment", because: "our meters" },
  { file: "src/turn/turn.ts", way: "assign", because: "what an earlier process had of the turn" },
  { file: "src/node/record-thread.ts", way: "assign", because: "our own thread's state" },
  { file: "src/node/record-writer.ts", way: "assign", because: "our own thread's state" },
  { file: "src/node/send-upstream.ts", way: "assignment", because: "it has no prototype" },
  { file: "src/dialects/responses/client-answer.ts", way: "assignment", because: "our fields" },
  { file: "src/dialects/responses/open-item.ts", way: "assignment", because: "our fields" },
  { file: "src/node/shed-secrets.ts", way: "assignment", because: "rows of our variables" },
  { file: "src/node/shed-secrets.ts", way: "assign", because: "what this process wrote itself" },
  { file: "src/openai/join-texts.ts", way: "assignment", because: "our list of fields" },
  { file: "src/openai/json.ts", way: "assignment", because: "`setMember` itself" },
  { file: "src/openai/usage.ts", way: "assignment", because: "it has no prototype, or our names" },
  { file: "src/openai/usage.ts", way: "assign", because: "onto an object without a prototype" },
  { file: "src/routes/admin-input.ts", way: "assign", because: "a handler and a literal" },
  { file: "src/routes/admin-openapi.ts", way: "assignment", because: "our routes" },
  { file: "src/routes/describe-route.ts", way: "assign", because: "a handler and a literal" },
  { file: "src/store/figures.ts", way: "assignment", because: "our figures" },
  { file: "src/secrets/mask.ts", way: "assignment", because: "numbers" },
  { file: "src/stream/scan-members.ts", way: "assignment", because: "numbers" },
  { file: "src/turn/milder-forms.ts", way: "in", because: "names of our forms" },
  { file: "src/upstream/headers.ts", way: "assignment", because: "it has no prototype" },
  { file: "workers/read-environment.ts", way: "assignment", because: "rows of our variables" },
  { file: "mcp-sidecar/child-environment.ts", way: "assignment", because: "the process's own" },
  { file: "mcp-sidecar/server-registry.ts", way: "assignment", because: "our states" },
];

/** Codes of our own runtime, languages and colours of our own page, the operator's own words. */
const HARMLESS_TABLES = new Set([
  "src/config/judge-secrets.ts",
  "workers/connect-database.ts",
  "src/node/database/wait-for-database.ts",
  "src/node/refuse-request.ts",
  "admin-ui/src/keys/connect.tsx",
  "admin-ui/src/parts/code-mirror.tsx",
]);

/** Code without its comments and texts, line by line. */
const codeOf = (source: string): string =>
  source
    .replaceAll(/\/\*[\s\S]*?\*\/|(?<![:"'`])\/\/[^\n]*/g, "")
    .replaceAll(/"(?:[^"\\\n]|\\.)*"/g, '""');

/** Each way that a text uses. */
function waysIn(source: string): Way[] {
  const code = codeOf(source);
  return (Object.keys(WAYS) as Way[]).filter((way) =>
    [...code.matchAll(WAYS[way])].some(([found]) => way !== "in" || !/""/.test(found)),
  );
}

/** Tables of the file by text that are read under a name, and not by `Object.hasOwn` or `own`. */
function openTables(source: string): string[] {
  const code = codeOf(source);
  const tables = [...code.matchAll(/\bconst ([A-Z][A-Z_]+): Record<string,/g)];
  return tables
    .map(([, table = ""]) => table)
    .filter((table) => new RegExp(String.raw`\b${table}\[(?!")`).test(code))
    .filter((table) => !code.includes(`Object.hasOwn(${table},`));
}

function sourcesIn(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1));
}

const FILES = FOLDERS.flatMap(sourcesIn);
const read = (file: string) => readFileSync(join(ROOT, file), "utf8");

describe("a member under a name that others chose", () => {
  it("is set and looked for by what knows no prototypes", () => {
    const found = FILES.flatMap((file) => waysIn(read(file)).map((way) => ({ file, way })));
    const known = HARMLESS.map(({ file, way }) => ({ file, way }));
    expect(found.filter((one) => !known.some(isSame(one)))).toEqual([]);
  });

  it("is not looked up in a table that has a prototype", () => {
    const found = FILES.filter((file) => openTables(read(file)).length > 0);
    expect(found.filter((file) => !HARMLESS_TABLES.has(file))).toEqual([]);
  });

  it.each([
    ["assignment", "kept[name] = value;"],
    ["assignment", "kept[name] ??= [];"],
    ["assignment", "this.#of[call.type] = 1;"],
    ["in", "if (name in known) return;"],
    ["in", "names.filter((name) => name in known)"],
    ["assign", "Object.assign(kept, foreign)"],
  ] as const)("is noticed by this guard: %s, %s", (way, code) => {
    expect(waysIn(code)).toEqual([way]);
  });

  it("is noticed in a table too", () => {
    const table = "const NAMES: Record<string, number> = {};";
    expect(openTables(`${table} const one = NAMES[name];`)).toEqual(["NAMES"]);
    expect(openTables(`${table} Object.hasOwn(NAMES, name) && NAMES[name];`)).toEqual([]);
    expect(waysIn("// kept[name] = value;\nconst a = kept[name]; list[0] = 1;")).toEqual([]);
  });
});

function isSame(one: { file: string; way: Way }) {
  return (other: { file: string; way: Way }): boolean =>
    one.file === other.file && one.way === other.way;
}
