import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, it } from "vitest";
import { createFunctionSandbox } from "../../src/node/function-sandbox.ts";
import type { FunctionOutcome } from "../../src/platform.ts";
import { MEASURED } from "../helpers/measured.ts";

const sandbox = createFunctionSandbox({ threads: 2 });
afterAll(() => sandbox.close());

function run(
  implementation: string,
  options: { args?: unknown; timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<FunctionOutcome> {
  const { args = {}, timeoutMs = 2000, signal = new AbortController().signal } = options;
  return sandbox.run({ implementation, args: JSON.stringify(args), timeoutMs, owner: "a" }, signal);
}

/** How late the main thread's timers were at worst while something ran, in milliseconds. */
async function mainThreadDelay(running: Promise<unknown>): Promise<number> {
  const state = { ended: false };
  const done = running.finally(() => (state.ended = true));
  let worst = 0;
  while (!state.ended) {
    const before = performance.now();
    await sleep(10);
    worst = Math.max(worst, performance.now() - before - 10);
  }
  await done;
  return worst;
}

describe("a function tool", () => {
  it("evaluates the calculator of the README", async () => {
    const outcome = await run("return { result: eval(args.expression) };", {
      args: { expression: "6*7" },
    });
    expect(outcome).toEqual({ ok: true, result: '{"result":42}', logs: [] });
  });

  it.each([
    ["return await Promise.resolve(args.n).then((n) => n + 1);", "2"],
    ["const wait = async () => 'x'; return [await wait(), await wait()];", '["x","x"]'],
    ["return; // a comment at the end", "null"],
    ["return args.n // without a line end", "1"],
    ["return args.n /* closed */", "1"],
    ["with (args) { return n; }", "1"],
    ["return typeof this + new Date(0).toISOString();", '"object1970-01-01T00:00:00.000Z"'],
    ["return '\\ud800\\u0000ü😀';", '"\\ud800\\u0000ü😀"'],
  ])("runs %s", async (implementation, result) => {
    expect(await run(implementation, { args: { n: 1 } })).toEqual({ ok: true, result, logs: [] });
  });

  it("keeps what the code writes to its console, also when it fails", async () => {
    const outcome = await run(
      "console.log('a', 1, { b: [2] }, null, undefined); console.error(new TypeError('c')); console.debug('zero\\u0000byte'); throw new Error('end');",
    );
    expect(outcome).toMatchObject({
      ok: false,
      logs: ['a 1 {"b":[2]} null undefined', "TypeError: c", "zero\u0000byte"],
    });
  });

  it("cuts a flood of console output and says so", async () => {
    const lines = await run("for (let i = 0; i < 5000; i++) console.log(i);");
    expect(lines.logs).toHaveLength(201);
    expect(lines.logs.at(-1)).toContain("console output was cut here");
    const long = await run("console.log('x'.repeat(1e6)); console.log('never');");
    expect(long.logs[0]).toHaveLength(65_536);
    expect(long.logs).toHaveLength(2);
  });

  it.each([
    ["\n\nargs.missing.member;", "TypeError: cannot read property 'member' of undefined (line 3)"],
    ["throw new RangeError('too far');", "RangeError: too far (line 1)"],
    ["await Promise.reject(new Error('later'));", "Error: later (line 1)"],
    ["throw { code: 5 };", '{"code":5}'],
    ["throw null;", "null"],
    ["return {", "SyntaxError: unexpected end of the code (line 1)"],
    [
      "return 1n;",
      "the returned value cannot be written as JSON: Do not know how to serialize a BigInt",
    ],
    [
      "const ring = {}; ring.ring = ring; return ring;",
      "the returned value cannot be written as JSON: circular reference",
    ],
    ["return () => 1;", "the returned value cannot be written as JSON: it is a function"],
    [
      "return 'x'.repeat(2e6);",
      "the returned value cannot be written as JSON: it has 2000002 characters as JSON, and the limit is 1048576",
    ],
  ])("says what went wrong in %j", async (implementation, message) => {
    expect(await run(implementation)).toEqual({ ok: false, kind: "error", message, logs: [] });
  });

  it("refuses arguments that are too long or not JSON", async () => {
    expect(await run("return 1;", { args: "x".repeat(1_100_000) })).toMatchObject({
      kind: "error",
      message: expect.stringContaining("more than 1048576 characters"),
    });
    const outcome = await sandbox.run(
      { implementation: "return 1;", args: "{", timeoutMs: 1000, owner: "a" },
      new AbortController().signal,
    );
    expect(outcome).toMatchObject({
      ok: false,
      kind: "error",
      message: expect.stringContaining("SyntaxError"),
    });
  });

  it("is told when it awaits what never comes", async () => {
    expect(await run("await new Promise(() => {});")).toMatchObject({ ok: false, kind: "pending" });
  });
});

describe("the time limit", MEASURED, () => {
  it("ends an endless loop and delays the main thread by less than 50 ms", async () => {
    const delays: number[] = [];
    // Three times, as a busy machine delays timers too; what the loop itself does, it does each
    // time.
    for (let round = 0; round < 3; round++) {
      const started = performance.now();
      const running = run("console.log('begun'); while (true) {}", { timeoutMs: 400 });
      delays.push(await mainThreadDelay(running));
      expect(await running).toEqual({
        ok: false,
        kind: "timeout",
        message: "it ran longer than 400 ms",
        logs: ["begun"],
      });
      expect(performance.now() - started).toBeLessThan(650);
    }
    expect(Math.min(...delays)).toBeLessThan(50);
  });

  it.each([
    "const spin = async () => { for (;;) await 0; }; await spin();",
    "function spin() { Promise.resolve().then(spin, spin); Promise.resolve().then(spin, spin); } spin(); await new Promise(() => {});",
    "for (;;) { try { for (;;); } catch {} finally { continue; } }",
    "const trap = async () => { for (;;) { try { await 0; for (;;); } catch { trap(); } } }; await trap();",
    "return { toJSON() { for (;;); } };",
    "throw { toString() { for (;;); }, toJSON() { for (;;); } };",
    "/^(a+)+$/.test('a'.repeat(40) + 'b');",
  ])("ends %s", async (implementation) => {
    expect(await run(implementation, { timeoutMs: 200 })).toMatchObject({
      ok: false,
      kind: "timeout",
    });
  });

  it("ends a native call that cannot be interrupted, and the next call works", async () => {
    const started = performance.now();
    expect(
      await run("return Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);", {
        timeoutMs: 200,
      }),
    ).toMatchObject({
      ok: false,
      kind: "timeout",
    });
    expect(performance.now() - started).toBeLessThan(700);
    expect(await run("return 1;")).toMatchObject({ ok: true });
  });

  it("does not let endless loops in several tools hold up a quick one", async () => {
    const enough = new AbortController();
    const loops = [1, 2, 3].map((number) =>
      run(`while (true) {} // ${number}`, { timeoutMs: 30_000, signal: enough.signal }),
    );
    await sleep(50);
    expect(await Promise.race([run("return 7;"), ...loops])).toMatchObject({
      ok: true,
      result: "7",
    });
    enough.abort();
    expect((await Promise.all(loops)).map((outcome) => outcome.ok)).toEqual([false, false, false]);
  });

  it("does not let many calls of one endless tool hold up another tool, nor the main thread", async () => {
    const loops = Promise.all(
      Array.from({ length: 8 }, () => run("while (true) {} // one", { timeoutMs: 1000 })),
    );
    const quick = sleep(300).then(() => run("return 8;"));
    expect(await Promise.race([quick, loops])).toMatchObject({ ok: true, result: "8" });
    expect(await mainThreadDelay(loops)).toBeLessThan(300);
    // Half of them had to wait, and their time began when they did not wait any more.
    expect((await loops).map((outcome) => !outcome.ok && outcome.message)).toEqual(
      Array.from({ length: 8 }, () => "it ran longer than 1000 ms"),
    );
  });
});

describe("cancelling and closing", () => {
  it("ends a running call within 100 ms of its signal", MEASURED, async () => {
    const controller = new AbortController();
    const running = run("while (true) {}", { timeoutMs: 5000, signal: controller.signal });
    await sleep(100);
    const started = performance.now();
    controller.abort();
    expect(await running).toEqual({
      ok: false,
      kind: "cancelled",
      message: "the call was cancelled",
      logs: [],
    });
    expect(performance.now() - started).toBeLessThan(100);
  });

  it("does not begin a call whose signal has fired already", async () => {
    expect(await run("return 1;", { signal: AbortSignal.abort() })).toMatchObject({
      ok: false,
      kind: "cancelled",
    });
  });

  it("answers 200 quick calls at once", async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, (_, number) =>
        run("return args.number * 2;", { args: { number } }),
      ),
    );
    expect(outcomes.map((outcome) => outcome.ok && outcome.result)).toEqual(
      Array.from({ length: 200 }, (_, number) => String(number * 2)),
    );
  });

  it("cancels what runs and what waits when it is closed, and what comes later", async () => {
    const closing = createFunctionSandbox({ threads: 1 });
    const { signal } = new AbortController();
    const call = { implementation: "while (true) {}", args: "{}", timeoutMs: 5000, owner: "a" };
    const running = [closing.run(call, signal), closing.run(call, signal)];
    await sleep(200);
    await closing.close();
    for (const outcome of await Promise.all([...running, closing.run(call, signal)]))
      expect(outcome).toMatchObject({ ok: false, kind: "cancelled" });
  });
});

describe("checking an implementation", () => {
  it.each([
    "",
    "return 1;",
    "await 1; for await (const x of []) {}",
    "return 1 // x",
    "while (true) {}",
    "return import('x');",
    "'use strict'; let a;",
  ])("accepts %j without running it", async (code) => {
    expect(await sandbox.check(code)).toBeNull();
  });

  it.each([
    ["unexpected end of the code (line 1)", "return {"],
    ["(line 2)", "a();\nreturn (;"],
    ["unexpected end of comment", "/* never closed"],
    ["unexpected end of string", "return `never closed"],
    ["import statements do not exist here", "import fs from 'fs';\nreturn 1;"],
    ["export statements do not exist here", "export default 1;"],
    ["(line 1)", "}); (function () {"],
    ["(line 1)", "}, b() {"],
    ["(line 1)", "}, c = {"],
    ["(line 1)", "} (1), {"],
    ["(line 1)", "} [x] = class {"],
    ["(line 1)", "} function other() {"],
    ["stack overflow", "(".repeat(100_000)],
    ["more than 262144 characters", "x".repeat(300_000)],
  ])("says %j of code that cannot run", async (message, code) => {
    expect(await sandbox.check(code)).toContain(message);
  });
});
