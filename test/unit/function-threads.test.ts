import { afterAll, describe, expect, it } from "vitest";
import { createFunctionSandbox } from "../../src/node/function-sandbox.ts";

const sandbox = createFunctionSandbox({ threads: 8 });
afterAll(() => sandbox.close());
const { signal } = new AbortController();

describe("one tool's share of the threads", () => {
  /** When calls of a tool ran, in milliseconds since the epoch. */
  const spans = async (names: string[], ms: number) => {
    const code = "while (Date.now() < args.until); return [args.start, args.until];";
    const spin = `const start = Date.now(); args.start = start; args.until = start + ${ms}; ${code}`;
    const call = { args: "{}", timeoutMs: 60_000 };
    const outcomes = await Promise.all(
      names.map((name) => sandbox.run({ ...call, implementation: `${spin} // ${name}` }, signal)),
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
