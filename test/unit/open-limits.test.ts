/** What a turn takes from the limits of its key, whatever its endpoint. */
import { describe, expect, it } from "vitest";
import type { AuthenticatedKey } from "../../src/auth/authenticate.ts";
import { readConfig } from "../../src/config/read-config.ts";
import { checkPriced } from "../../src/limits/check-priced.ts";
import { openLimits } from "../../src/limits/open-limits.ts";
import { Memory } from "../../src/memory.ts";
import { createOnce } from "../../src/node/wait-for-one-another.ts";
import type { Platform, RequestScope } from "../../src/platform.ts";
import type { RoundRecord, TurnRecord } from "../../src/record/turn-record.ts";
import { setClock } from "../helpers/set-clock.ts";
import { memoryLogger } from "./database/memory-logger.ts";

const prices = JSON.stringify({
  models: { priced: { inputPerMillion: 1_000_000, outputPerMillion: 2_000_000 } },
});

/** A process whose database is away, and a key of it. */
function limited(limits: Partial<AuthenticatedKey>) {
  const clock = setClock("2026-11-15T12:00:00Z");
  const platform = {
    clock,
    memory: new Memory(),
    once: createOnce(),
    logger: memoryLogger(),
    config: readConfig({ PRICES: prices }),
    database: {},
  } as unknown as Platform;
  const scope = { platform, waitUntil: () => {} } as unknown as RequestScope;
  const none = { requestsPerMinute: null, tokensPerMinute: null, monthlyBudget: null };
  const key = { id: "k", name: "k", ...none, ...limits } as AuthenticatedKey;
  return { scope, key, clock, open: () => openLimits(scope, key) };
}

const round = (more: Partial<RoundRecord> = {}): RoundRecord => ({
  round: 1,
  status: "completed",
  usage: null,
  timeToFirstTokenMs: null,
  durationMs: 1,
  finishReason: "stop",
  error: null,
  ...more,
});

const turn = (more: Partial<TurnRecord> = {}): TurnRecord => ({
  id: crypto.randomUUID(),
  conversationId: crypto.randomUUID(),
  apiKeyId: "k",
  apiKeyName: "k",
  endpoint: "/v1/chat/completions",
  model: "priced",
  streamed: false,
  status: "completed",
  httpStatus: 200,
  error: null,
  errorCode: null,
  finishReason: null,
  loopStopReason: null,
  startedAt: Date.parse("2026-11-15T12:00:00Z"),
  durationMs: 1,
  timeToFirstTokenMs: null,
  request: '{"model":"priced"}',
  response: null,
  produced: [],
  rounds: [],
  toolExecutions: [],
  toolsOffered: [],
  toolsShadowed: [],
  ...more,
});

const usage = (prompt: number, completion: number) => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
});

const statusOf = (attempt: Promise<unknown>) =>
  attempt.then(
    () => 200,
    (error: unknown) => (error as { status: number }).status,
  );

/** What is left of a limit after a turn: the largest that lets no request through. */
async function usedBy(record: TurnRecord, limit: "tokensPerMinute" | "monthlyBudget") {
  const { open, key } = limited({ [limit]: 1_000_000_000 });
  const limits = open();
  await limits.observer.ended?.(record);
  const passes = async (most: number) => {
    Object.assign(key, { [limit]: most });
    return (await statusOf(open().check())) === 200;
  };
  for (let most = 0; most < 1000; most++) if (await passes(most + 0.5)) return most;
  throw new Error("More is used than this test looks for");
}

describe("what a turn takes", () => {
  it.each([
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/images/generations",
    "/v1/audio/transcriptions",
    "/v1/something/new",
  ])("is what upstream reported of it, on %s as everywhere", async (endpoint) => {
    const record = turn({ endpoint, rounds: [round({ usage: usage(10, 20) })] });
    expect(await usedBy(record, "tokensPerMinute")).toBe(30);
    expect(await usedBy(record, "monthlyBudget")).toBe(50);
  });

  it("is counted round by round, each once, and what is used up ends the turn", async () => {
    const { open } = limited({ tokensPerMinute: 25 });
    const limits = open();
    await limits.take();
    const record = turn();
    record.rounds.push(round({ usage: usage(10, 5) }));
    limits.observer.roundEnded?.(record);
    expect(await limits.reached(record)).toBeNull();
    expect(await limits.reached(record)).toBeNull();
    record.rounds.push(round({ round: 2, usage: usage(10, 0) }));
    limits.observer.roundEnded?.(record);
    expect(await limits.reached(record)).toBe(
      "the API key's limit of 25 tokens per minute is reached",
    );
    await limits.observer.ended?.(record);
    expect(await statusOf(open().check())).toBe(429);
  });

  it("is money at the end of each round, before the turn has ended or is on record", async () => {
    const { open } = limited({ monthlyBudget: 40 });
    const limits = open();
    const record = turn({ rounds: [round({ usage: usage(10, 20) })] });
    limits.observer.roundEnded?.(record);
    expect(await limits.reached(record)).toBe(
      "the API key's budget of $40.00 for this month is used up",
    );
    expect(await statusOf(open().take())).toBe(429);
  });

  it.each([
    ["a request that was refused", { status: "refused" as const, httpStatus: 403 }],
    ["one that upstream refused", { httpStatus: 400, rounds: [round({ status: "failed" })] }],
    [
      "one that upstream never answered",
      { httpStatus: 502, rounds: [round({ status: "failed" })] },
    ],
    ["an answer that was given again", { cached: true as const, rounds: [round()] }],
    ["an image without usage", { endpoint: "/v1/images/generations", rounds: [round()] }],
    ["a list of files", { endpoint: "/v1/files", request: null, rounds: [round()] }],
  ])("is nothing for %s", async (_what, more) => {
    expect(await usedBy(turn(more), "tokensPerMinute")).toBe(0);
  });

  it.each([
    ["completed", {}],
    ["cancelled", { status: "cancelled" as const }],
    ["failed", { status: "failed" as const, error: "broke off" }],
  ])("is what came, as far as it came, where a round was %s without usage", async (_what, more) => {
    const received = { role: "assistant", content: "four".repeat(50) };
    const record = turn({ rounds: [round({ received, ...more })] });
    expect(await usedBy(record, "tokensPerMinute")).toBeGreaterThan(50);
    expect(await usedBy(record, "tokensPerMinute")).toBeLessThan(65);
  });

  it("is in a later round what was said in the rounds before, too, and not what comes after", async () => {
    const content = "four".repeat(100);
    const said = (number: number) => ({ message: { content }, round: number, hidden: true });
    const rounds = [
      round({ usage: usage(10, 5) }),
      round({ round: 2, received: { content: "four" } }),
    ];
    const record = turn({ rounds, produced: [said(1), said(2)] });
    expect(await usedBy(record, "tokensPerMinute")).toBeGreaterThan(100);
    expect(await usedBy(record, "tokensPerMinute")).toBeLessThan(130);
  });

  it("is not the bytes of an image", async () => {
    const request = `{"messages":[{"image_url":"data:image/png;base64,${"A".repeat(500_000)}"}]}`;
    expect(await usedBy(turn({ request, rounds: [round()] }), "tokensPerMinute")).toBeLessThan(30);
  });

  it("is what is known of it where an answer is nested so deeply that no serialiser writes it", async () => {
    let deep: unknown = "four".repeat(20);
    for (let depth = 0; depth < 50_000; depth++) deep = { deep };
    const record = turn({ rounds: [round({ received: { deep } })] });
    expect(await usedBy(record, "tokensPerMinute")).toBeGreaterThanOrEqual(20);
  });
});

describe("a model without a known price", () => {
  const call = (model: string) => ({ model, upstream: "http://models.internal/v1" });

  it("is refused where the key says so, with what its operator can do", async () => {
    const { scope, key } = limited({});
    const refusing = { ...key, unpriced: "refuse" as const };
    const refusal = checkPriced(scope, refusing, call("homemade"));
    await expect(refusal).rejects.toMatchObject({
      status: 403,
      body: {
        error: {
          type: "invalid_request_error",
          code: "model_not_priced",
          message: expect.stringMatching(/"homemade".*PRICES/) as string,
        },
      },
    });
    for (const model of ["priced", "gpt-4.1-mini"])
      expect(await statusOf(checkPriced(scope, refusing, call(model)))).toBe(200);
  });

  it("is let through by any other key", async () => {
    const { scope, key } = limited({});
    for (const unpriced of ["allow", undefined] as const) {
      const allowing = { ...key, ...(unpriced === undefined ? {} : { unpriced }) };
      expect(await statusOf(checkPriced(scope, allowing, call("homemade")))).toBe(200);
    }
  });
});
