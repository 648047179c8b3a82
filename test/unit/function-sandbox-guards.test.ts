import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { FunctionOutcome } from "../../src/platform.ts";
import { NATIVE_CALL_GUARDS } from "../../src/tools/functions/quickjs-guards.ts";
import { createFunctionRunner } from "../../src/tools/functions/quickjs-runner.ts";

const file = createRequire(import.meta.url).resolve("@jitl/quickjs-wasmfile-release-sync/wasm");
/** The limits of workers/function-sandbox.ts. */
const runner = createFunctionRunner(await WebAssembly.compile(await readFile(file)), {
  memoryPages: 512,
  stackBytes: 65_536,
  maxTimeoutMs: 1000,
  ticksPerMs: 20,
  guards: NATIVE_CALL_GUARDS,
});

function run(implementation: string, timeoutMs = 200): Promise<FunctionOutcome> {
  return runner.run({ implementation, args: "{}", timeoutMs, owner: "a" });
}

/** CPU time of this process: it does not count for whom else the machine works. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

describe("where there is no thread to end and the clock stands still", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"], now: 1_800_000_000_000 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([
    "while (true) {}",
    "const spin = async () => { for (;;) await 0; }; await spin();",
    "for (;;) { try { for (;;); } catch {} }",
    "const list = new Array(1e6).fill(0); for (;;) list.indexOf(1);",
    "const text = 'a'.repeat(1e6); for (;;) text.indexOf('b');",
    "for (;;) 'ab'.repeat(5e6);",
    "for (;;) 'ab'.padStart(5e6, 'xyz');",
    "const text = '[' + '1,'.repeat(1e5) + '1]'; for (;;) JSON.parse(text);",
  ])("still ends %s", async (implementation) => {
    const startedAt = cpuMs();
    expect(await run(implementation)).toMatchObject({ ok: false, kind: "timeout" });
    expect(cpuMs() - startedAt).toBeLessThan(5000);
  });

  it("caps the time limit that a tool asks for", async () => {
    expect(await run("while (true) {}", 60_000)).toMatchObject({
      kind: "timeout",
      message: "it ran longer than 1000 ms",
    });
  });

  it.each([
    "return Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);",
    "return Array.prototype.reverse.call({ get length() { return 2 ** 53 - 1; } });",
    "const list = []; list.length = 2 ** 32 - 1; return list.lastIndexOf(1);",
    "class Long { get length() { return 2 ** 53 - 1; } } return Array.prototype.forEach.call(new Long(), () => {});",
    "return new Proxy([], {});",
    "return 'a'.repeat(1e6).indexOf('a'.repeat(5e5) + 'b');",
    "return 'a'.repeat(1e6).split({ toString: () => 'a'.repeat(5e5) + 'b' });",
  ])("refuses the native call that would never come back: %s", async (implementation) => {
    expect(await run(implementation)).toMatchObject({ ok: false, kind: "error" });
  });

  it("runs out of its 32 MB and goes on", async () => {
    expect(await run("const all = []; for (;;) all.push(new Uint8Array(1e6));")).toMatchObject({
      ok: false,
      kind: "memory",
    });
    expect(await run("return 1;")).toMatchObject({ ok: true });
  });

  it.each([
    ["return [3, 1, 2].sort().reverse().concat([4], 5, { a: 1 }).indexOf(4);", "3"],
    ["return Array.prototype.map.call('abc', (letter) => letter + 1);", '["a1","b1","c1"]'],
    [
      "return (function () { return Array.prototype.slice.call(arguments, 1); })(1, 2, 3);",
      "[2,3]",
    ],
    ["class List extends Array {} return List.from([1, 2]).includes(2);", "true"],
    ["return [1, [2, [3]]].flat(Infinity).join('') + [].reduce((a, b) => a + b, 'x');", '"123x"'],
    [
      "return 'a,b'.split(',').join('-').replace(/a/g, 'z').replaceAll('b', 'y').padEnd(5, '.');",
      '"z-y.."',
    ],
    ["return Array.from(new Uint8Array([3, 1, 2]).sort());", "[1,2,3]"],
    ["return Object.keys(Array.prototype).length + Object.keys(String.prototype).length;", "0"],
    ["return JSON.parse('{\"a\":[1]}', (key, value) => (key === '0' ? 2 : value));", '{"a":[2]}'],
  ])("leaves ordinary code as it was: %s", async (implementation, result) => {
    expect(await run(implementation)).toEqual({ ok: true, result, logs: [] });
  });
});
