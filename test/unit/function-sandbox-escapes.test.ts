import { afterAll, describe, expect, it } from "vitest";
import { createFunctionSandbox } from "../../src/node/function-sandbox.ts";
import type { FunctionOutcome } from "../../src/platform.ts";

const sandbox = createFunctionSandbox({ threads: 1 });
afterAll(() => sandbox.close());

function run(implementation: string, args = "{}"): Promise<FunctionOutcome> {
  return sandbox.run(
    { implementation, args, timeoutMs: 4500, owner: "a" },
    new AbortController().signal,
  );
}

async function valueOf(implementation: string, args = "{}"): Promise<unknown> {
  const outcome = await run(implementation, args);
  if (!outcome.ok) throw new Error(`${outcome.kind}: ${outcome.message}`);
  return JSON.parse(outcome.result);
}

const HOST_NAMES = [
  "process",
  "require",
  "module",
  "fetch",
  "global",
  "Buffer",
  "WebAssembly",
  "SharedArrayBuffer",
  "Atomics",
  "Worker",
  "navigator",
  "setTimeout",
  "std",
  "os",
  "scriptArgs",
  "print",
];

describe("code in the sandbox", () => {
  it("finds none of the host's names", async () => {
    expect(
      await valueOf(
        `return ${JSON.stringify(HOST_NAMES)}.filter((name) => typeof globalThis[name] !== "undefined");`,
      ),
    ).toEqual([]);
  });

  it.each([
    ["globalThis.constructor.constructor('return process')()", "'process' is not defined"],
    ["(function () {}).constructor('return require')()", "'require' is not defined"],
    ["(async () => {}).constructor('return fetch')().then((x) => x)", "'fetch' is not defined"],
    ["console.log.constructor('return process')()", "'process' is not defined"],
    ["await import('node:fs')", "could not load module 'node:fs'"],
    ["await import('data:text/javascript,export default 1')", "could not load module"],
    ["await eval('import(\"os\")')", "could not load module 'os'"],
    [
      "Error.prepareStackTrace = (_, sites) => sites; const { stack } = new Error(); return stack[0].getThis()",
      "not a function",
    ],
    ["console.log.caller", "invalid property access"],
    ["(function f() { return f.caller; })().constructor('return process')()", ""],
  ])("gets nowhere with %s", async (code, message) => {
    expect(await run(`${code.includes("return stack") ? code : `return ${code}`};`)).toMatchObject({
      ok: false,
      kind: "error",
      message: expect.stringContaining(message),
    });
  });

  it("finds in `this` and in a function's global only its own world", async () => {
    expect(
      await valueOf(
        "return (function () {}).constructor('return this')() === globalThis && this === globalThis;",
      ),
    ).toBe(true);
    expect(await valueOf("return Object.getOwnPropertyNames(console).sort();")).toEqual([
      "debug",
      "error",
      "info",
      "log",
      "warn",
    ]);
  });

  it("gets plain data as arguments, `__proto__` included", async () => {
    const args = '{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}},"x":1}';
    expect(
      await valueOf(
        "return [args.admin, ({}).admin, Object.keys(args), Object.getPrototypeOf(args) === Object.prototype];",
        args,
      ),
    ).toEqual([null, null, ["__proto__", "constructor", "x"], true]);
  });

  it("leaves nothing behind for the next call", async () => {
    await run(
      "globalThis.kept = 1; Object.prototype.kept = 2; Array.prototype.map = () => 'mine'; JSON.stringify = () => '\"mine\"'; Promise.prototype.then = null; args.kept = 3;",
    );
    expect(
      await valueOf(
        "return [typeof kept, ({}).kept, [1].map((x) => x), await Promise.resolve(4), args.kept];",
      ),
    ).toEqual(["undefined", null, [1], 4, null]);
  });

  it("cannot mislead the sandbox by replacing what it uses", async () => {
    const spoil =
      "JSON.stringify = JSON.parse = () => { throw 1; }; Object.prototype.toJSON = String.prototype.toJSON = () => 'spoilt'; String.prototype.slice = null; globalThis.Error = null;";
    expect(await run(`${spoil} console.log('line'); throw new TypeError('end');`)).toEqual({
      ok: false,
      kind: "error",
      message: "TypeError: end (line 1)",
      logs: ["line"],
    });
    expect(
      await valueOf(
        "JSON.stringify = () => 'not JSON'; Promise.prototype.then = () => {}; return { fine: 1 };",
      ),
    ).toEqual({ fine: 1 });
    expect(
      await run(
        "Object.defineProperty(Error, Symbol.hasInstance, { value() { throw 1; } }); throw 2;",
      ),
    ).toMatchObject({
      ok: false,
      kind: "error",
    });
    expect(
      await run("throw new Proxy({}, { get() { throw 1; }, getPrototypeOf() { throw 2; } });"),
    ).toMatchObject({
      ok: false,
      kind: "error",
    });
  });
});

describe("code that takes too much", () => {
  it.each([
    "const all = []; for (;;) all.push([1, 2, 3]);",
    "const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1));",
    "const all = []; let text = 'ab'; for (;;) all.push((text += text).split(''));",
    "let text = 'ab'; for (;;) text += text;",
    "return [...'a'.repeat(1e7)].length;",
    "const map = new Map(); for (let i = 0; ; i++) map.set(i, { i });",
    "const next = () => Promise.resolve().then(() => { next(); next(); keep.push(new Array(1000).fill(0)); }); const keep = []; await next(); await new Promise(() => {});",
  ])("runs out of memory, and the process does not: %s", async (implementation) => {
    await valueOf("return 1;");
    const before = process.memoryUsage.rss();
    expect(await run(implementation)).toMatchObject({ ok: false, kind: "memory" });
    expect((process.memoryUsage.rss() - before) / 1e6).toBeLessThan(200);
    expect(await valueOf("return 1;")).toBe(1);
  });

  it("leaves the process's memory where it was after many memory bombs", async () => {
    await run("const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1));");
    const before = process.memoryUsage.rss();
    for (let round = 0; round < 15; round++)
      await run("const all = []; for (;;) all.push(new Uint8Array(1e6).fill(1));");
    expect((process.memoryUsage.rss() - before) / 1e6).toBeLessThan(200);
  });

  it.each([
    "(function deeper() { deeper(); })();",
    "return JSON.parse('['.repeat(1e5));",
    "return eval('('.repeat(1e5));",
    "return eval('`${'.repeat(1e5));",
    "return eval('[' .repeat(1e5) + ']'.repeat(1e5));",
    "const deeper = () => JSON.stringify({ toJSON: deeper }); return deeper();",
    "const deeper = () => [1].map(deeper); return { toJSON: deeper };",
    "const proxy = new Proxy({}, { get: (target, key, self) => self[key] }); return proxy.x;",
  ])("nests too deeply, and the sandbox goes on: %s", async (implementation) => {
    expect(await run(implementation)).toMatchObject({ ok: false, kind: "stack" });
    expect(await valueOf("return 1;")).toBe(1);
  });

  it("survives a deeply nested regular expression and argument", async () => {
    expect(
      (await run("return new RegExp('('.repeat(1e5) + ')'.repeat(1e5)).source.length;")).ok,
    ).toBe(false);
    expect(await run("return 1;", `${"[".repeat(100_000)}${"]".repeat(100_000)}`)).toMatchObject({
      ok: false,
      kind: "stack",
    });
    expect(await valueOf("return 1;")).toBe(1);
  });
});
