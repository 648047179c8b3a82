import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Memory } from "../../src/memory.ts";
import { createTurnstile as createNodeTurnstile } from "../../src/node/wait-for-one-another.ts";
import type { Turnstile } from "../../src/platform.ts";
import { BusyFailure, callQueues, limitCalls } from "../../src/tools/limit-calls.ts";
import { createTurnstile as createWorkerTurnstile } from "../../workers/turnstile.ts";

function runtime(turnstile: () => Turnstile) {
  const memory = new Memory();
  const signal = new AbortController().signal;
  const start = (
    owner: string,
    work: (leftMs: number) => Promise<unknown>,
    more: { timeoutMs?: number; signal?: AbortSignal } = {},
  ) =>
    limitCalls(
      { memory, turnstile },
      { limits: [{ key: "k", limit: 1, what: "It" }], owner, signal, timeoutMs: 5000, ...more },
      work,
    );
  return { start, queues: () => callQueues.of(memory) };
}

const forever = () => new Promise<never>(() => {});

describe.each([
  ["where one request wakes another", createNodeTurnstile],
  ["where each request looks for itself", createWorkerTurnstile],
])("a limit of calls, %s", (_title, turnstile) => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("hands its place on in turns, and keeps nothing when all have gone", async () => {
    const { start, queues } = runtime(turnstile);
    const order: string[] = [];
    const run = (owner: string, name: string) =>
      start(owner, async () => {
        order.push(name);
        await new Promise((resolve) => setTimeout(resolve, 100));
      });
    const all = Promise.all([
      run("a", "a1"),
      run("a", "a2"),
      run("a", "a3"),
      run("b", "b1"),
      run("c", "c1"),
      run("b", "b2"),
    ]);
    await vi.advanceTimersByTimeAsync(1000);
    await all;
    expect(order).toEqual(["a1", "b1", "c1", "a2", "b2", "a3"]);
    expect(queues().size).toBe(0);
  });

  it("gives a place to the next where the one before fails, or was given up while it waited", async () => {
    const { start, queues } = runtime(turnstile);
    const gone = new AbortController();
    const failing = start("a", async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      throw new Error("failed");
    });
    const waiting = start("b", forever, { signal: gone.signal });
    const last = start("c", async (leftMs) => leftMs);
    const ends = Promise.allSettled([failing, waiting, last]);
    gone.abort(new Error("gone"));
    await vi.advanceTimersByTimeAsync(200);
    const [failed, left, done] = await ends;
    expect(failed).toMatchObject({ reason: { message: "failed" } });
    expect(left).toMatchObject({ reason: { message: "gone" } });
    expect(done).toMatchObject({ value: expect.closeTo(4940, -2) as number });
    expect(queues().size).toBe(0);
  });

  it("does not start what was given up before", async () => {
    const { start } = runtime(turnstile);
    void start("a", forever);
    const signal = AbortSignal.abort(new Error("gone"));
    await expect(start("b", forever, { signal })).rejects.toThrow("gone");
  });

  it("says that it is busy when the time is over, and when too many wait", async () => {
    const { start } = runtime(turnstile);
    void start("a", forever);
    const waiting = Promise.allSettled(
      Array.from({ length: 64 }, () => start("a", forever, { timeoutMs: 300 })),
    );
    await expect(start("a", forever)).rejects.toThrow("It is busy: 64 calls are waiting for it.");
    const other = start("b", forever, { timeoutMs: 300 });
    const told = other.catch((error: unknown) => String(error));
    await vi.advanceTimersByTimeAsync(400);
    expect(await told).toContain("was busy with other calls");
    for (const end of await waiting)
      expect(end).toMatchObject({ reason: expect.any(BusyFailure) as unknown });
  });

  it("frees the place of a call that died with its request", async () => {
    const { start } = runtime(turnstile);
    void start("a", forever, { timeoutMs: 1000 });
    await vi.advanceTimersByTimeAsync(12_000);
    expect(await start("b", async () => "its turn")).toBe("its turn");
  });
});
