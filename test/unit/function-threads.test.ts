import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { createFunctionSandbox } from "../../src/node/function-sandbox.ts";
import { MEASURED } from "../helpers/measured.ts";

const sandbox = createFunctionSandbox({ threads: 8 });
afterAll(() => sandbox.close());
const { signal } = new AbortController();

describe("another key's call", () => {
  const LIMIT_MS = 4000;

  it.each([
    ["200 endless calls of one key, of 12 tools", 1, 12],
    ["200 endless calls of 20 keys, of 12 tools", 20, 12],
    ["200 endless calls of the same tool", 1, 1],
  ])("is answered beside %s", MEASURED, async (_title, keys, tools) => {
    const crowded = createFunctionSandbox({ threads: 2 });
    onTestFinished(() => crowded.close());
    const leaving = new AbortController();
    const call = { args: "{}", timeoutMs: LIMIT_MS };
    const endless = Array.from({ length: 200 }, (_, index) => {
      const implementation = `if (args.quick) return "quick"; for (;;); // ${index % tools}`;
      const owner = `attacker ${index % keys}`;
      return crowded.run({ ...call, implementation, owner }, leaving.signal);
    });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const startedAt = performance.now();
    const quick = `if (args.quick) return "quick"; for (;;); // 0`;
    const mine = { ...call, implementation: quick, args: '{"quick":true}', owner: "other" };
    const outcome = await crowded.run(mine, signal);
    const tookMs = performance.now() - startedAt;
    leaving.abort();
    await Promise.all(endless);
    expect(outcome).toMatchObject({ ok: true, result: '"quick"' });
    expect(tookMs).toBeLessThan(1000);
  });
});

describe("one tool's share of the threads", () => {
  /** When calls of a tool ran, in milliseconds since the epoch. */
  const spans = async (names: string[], ms: number) => {
    const code = "while (Date.now() < args.until); return [args.start, args.until];";
    const spin = `const start = Date.now(); args.start = start; args.until = start + ${ms}; ${code}`;
    const call = { args: "{}", timeoutMs: 60_000 };
    const outcomes = await Promise.all(
      names.map((name, index) => {
        const implementation = `${spin} // ${name}`;
        return sandbox.run({ ...call, implementation, owner: `key ${index}` }, signal);
      }),
    );
    return outcomes.map((outcome) => JSON.parse(outcome.ok ? outcome.result : "") as number[]);
  };
  /** The most of them at one moment. */
  const most = (ran: number[][]): number =>
    Math.max(
      ...ran.map(
        ([at = 0]) => ran.filter(([start = 0, end = 0]) => start <= at && at < end).length,
      ),
    );

  it("is half of them, also where all are idle", { timeout: 120_000 }, async () => {
    const tools = Array.from({ length: 8 }, (_, number) => `tool ${number}`);
    // A busy machine takes its time to start eight threads.
    for (let ms = 200; most(await spans(tools, ms)) < 8; ms *= 2) expect(ms).toBeLessThan(20_000);
    tools.fill("one tool");
    const held = [0];
    for (let ms = 200; Math.max(...held) < 4; ms *= 2) held.push(most(await spans(tools, ms)));
    expect(Math.max(...held)).toBe(4);
  });
});
