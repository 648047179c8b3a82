import { sql } from "drizzle-orm";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connectDatabase } from "../../../src/node/database/connect-database.ts";
import { openDatabase } from "../../../src/node/database/open-database.ts";
import type { PricedRound } from "../../../src/record/price-rounds.ts";
import type { TurnRecord } from "../../../src/record/turn-record.ts";
import type { Database } from "../../../src/store/database.ts";
import { readStats } from "../../../src/store/stats.ts";
import type { StatsRequest } from "../../../src/store/stats-figures.ts";
import { addToolHours, addUsageHours, monthlySpend } from "../../../src/store/usage-hours.ts";
import { startPostgres, type TestPostgres } from "../../helpers/postgres-server.ts";
import { memoryLogger } from "./memory-logger.ts";

let server: TestPostgres;
let opened: Awaited<ReturnType<typeof openDatabase>>;
let database: Database;

beforeAll(async () => {
  server = await startPostgres();
  const url = await server.createDatabase();
  opened = await openDatabase({ databaseUrl: url, dataDir: "unused" }, memoryLogger());
  database = opened.database;
});
afterAll(async () => {
  await opened.close();
  await server.stop();
});

interface Fields {
  apiKeyId: string;
  at?: string;
  model?: string | null;
  cost?: number | null;
  durationMs?: number;
  tool?: string;
}

type CountedTurn = Parameters<typeof addUsageHours>[1][number];

function turn({
  apiKeyId,
  at = "2026-03-05T10:20:30Z",
  model = "m",
  cost = 1,
  durationMs = 100,
  tool,
}: Fields): CountedTurn {
  const startedAt = Date.parse(at);
  const execution = {
    id: uuidv7(),
    toolId: uuidv7(),
    type: "function" as const,
    toolCallId: "c",
    round: 1,
    arguments: "{}",
    result: "1",
  };
  const record: TurnRecord = {
    id: uuidv7(),
    conversationId: uuidv7(),
    apiKeyId,
    apiKeyName: "a key",
    endpoint: "/v1/chat/completions",
    model,
    streamed: false,
    status: "completed",
    httpStatus: 200,
    error: null,
    errorCode: null,
    finishReason: "stop",
    loopStopReason: null,
    startedAt,
    durationMs,
    timeToFirstTokenMs: 5,
    request: null,
    response: null,
    produced: [],
    rounds: [],
    toolExecutions:
      tool === undefined
        ? []
        : [{ ...execution, toolName: tool, error: null, logs: [], startedAt, durationMs: 7 }],
    toolsOffered: [],
    toolsShadowed: [],
  };
  const round: PricedRound = {
    round: 1,
    status: "completed",
    usage: null,
    timeToFirstTokenMs: 5,
    durationMs,
    finishReason: "stop",
    error: null,
    tokensEstimated: false,
    cachedTokens: 1,
    reasoningTokens: null,
    cost,
    costIncomplete: cost === null,
  };
  return {
    record,
    read: {
      model,
      usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
      rounds: [round],
    },
  };
}

const write = (turns: CountedTurn[], to = database) =>
  to.transaction(async (transaction) => {
    await addUsageHours(transaction, turns);
    await addToolHours(transaction, turns);
  });

const stats = (more: Partial<StatsRequest> = {}) =>
  readStats(database, {
    from: new Date("2026-03-01"),
    to: new Date("2026-04-01"),
    bucket: "month",
    groupBy: "key",
    ...more,
  });

const ofKey = async (apiKeyId: string) =>
  (await stats()).totals.find(({ group }) => group === apiKeyId);

describe("the figures of an hour", () => {
  it("are the sum of all writes, however many write at once and in whatever order", async () => {
    const keys = Array.from({ length: 6 }, () => uuidv7());
    const turns = keys.flatMap((apiKeyId) =>
      ["a", "b", "c"].map((model) => turn({ apiKeyId, model, tool: model })),
    );
    const replicas = Array.from({ length: 4 }, () =>
      connectDatabase(opened.connection, { max: 1 }),
    );
    const rounds = 10;
    await Promise.all(
      replicas.map(async (replica, index) => {
        const mine = index % 2 === 0 ? turns : turns.toReversed();
        for (let round = 0; round < rounds; round++) await write(mine, replica.database);
      }),
    );
    await Promise.all(replicas.map((replica) => replica.close()));
    const times = rounds * replicas.length;
    for (const key of keys)
      expect(await ofKey(key)).toMatchObject({
        requests: 3 * times,
        promptTokens: 30 * times,
        cachedTokens: 3 * times,
        cost: 3 * times,
      });
  });

  it("hold histograms that grow in both directions", async () => {
    const apiKeyId = uuidv7();
    for (const durationMs of [100, 9000, 2, 100, 100])
      await write([turn({ apiKeyId, durationMs })]);
    const { durationMs, timeToFirstTokenMs } = (await ofKey(apiKeyId)) ?? {};
    expect(durationMs?.p50).toBeCloseTo(100, -1);
    expect(durationMs?.p99).toBeCloseTo(9000, -3);
    expect(timeToFirstTokenMs).toEqual({ p50: 5, p90: 5, p95: 5, p99: 5 });
  });

  it("take names that PostgreSQL cannot hold or index", async () => {
    const apiKeyId = uuidv7();
    const model = `a\0b\ud83c${"€".repeat(20_000)}`;
    await write([turn({ apiKeyId, model, tool: "t\0" }), turn({ apiKeyId, model: null })]);
    expect(await ofKey(apiKeyId)).toMatchObject({ requests: 2 });
  });

  it("are the hour's in which the turn began, in UTC, and the bucket's", async () => {
    const apiKeyId = uuidv7();
    const times = [
      "2026-01-31T23:59:59.999Z",
      "2026-02-01T00:00:00Z",
      "2026-02-28T23:00:00+01:00",
      "2026-02-28T23:30:00-01:00",
    ];
    await write(times.map((at) => turn({ apiKeyId, at, model: apiKeyId })));
    const range = {
      from: new Date("2026-01-01"),
      to: new Date("2026-04-01"),
      groupBy: "model",
    } as const;
    const starts = async (bucket: StatsRequest["bucket"]) =>
      (await stats({ ...range, bucket })).buckets
        .filter(({ group }) => group === apiKeyId)
        .map(({ start, requests }) => [start.slice(0, 13), requests]);
    expect(await starts("month")).toEqual([
      ["2026-01-01T00", 1],
      ["2026-02-01T00", 2],
      ["2026-03-01T00", 1],
    ]);
    expect(await starts("hour")).toEqual([
      ["2026-01-31T23", 1],
      ["2026-02-01T00", 1],
      ["2026-02-28T22", 1],
      ["2026-03-01T00", 1],
    ]);
  });
});

describe("statistics of many groups", () => {
  it("show the twenty busiest, and all others as one", async () => {
    const apiKeyId = uuidv7();
    const at = "2025-07-01T00:00:00Z";
    const turns = Array.from({ length: 25 }, (_, index) =>
      Array.from({ length: 25 - index }, () => turn({ apiKeyId, at, model: `model ${index}` })),
    );
    await write(turns.flat());
    const { totals, buckets } = await stats({
      from: new Date("2025-07-01"),
      to: new Date("2025-07-02"),
      groupBy: "model",
    });
    expect(totals.map(({ group, requests }) => [group, requests])).toEqual([
      ...Array.from({ length: 20 }, (_, index) => [`model ${index}`, 25 - index]),
      ["other", 15],
    ]);
    expect(buckets).toHaveLength(21);
  });

  it("do not read the months outside of their range", async () => {
    const { buckets, totals, tools } = await stats({
      from: new Date("2020-01-01"),
      to: new Date("2020-01-03"),
      bucket: "day",
      groupBy: "none",
    });
    expect(
      buckets.map(({ start, requests, durationMs, cost }) => [start, requests, durationMs, cost]),
    ).toEqual([
      ["2020-01-01T00:00:00.000Z", 0, null, 0],
      ["2020-01-02T00:00:00.000Z", 0, null, 0],
    ]);
    expect([totals.length, tools]).toEqual([1, []]);
  });
});

describe("what a key has spent", () => {
  it("is the cost of this calendar month, unknown prices left out", async () => {
    const [spender, other, idle] = [uuidv7(), uuidv7(), uuidv7()];
    const month = (apiKeyId: string) =>
      [
        ["2026-05-31T23:59:59Z", 100],
        ["2026-06-01T00:00:00Z", 1],
        ["2026-06-30T23:59:59Z", 2],
        ["2026-06-15T00:00:00Z", null],
      ].map(([at, cost]) => turn({ apiKeyId, at: String(at), cost: cost as number | null }));
    await write([...month(spender), ...month(other)]);
    const now = new Date("2026-06-30T23:59:59Z");
    expect([...(await monthlySpend(database, [spender, idle], now))]).toEqual([
      [spender, 3],
      [idle, 0],
    ]);
    expect((await monthlySpend(database, [], now)).size).toBe(0);
    expect(
      await database.execute(
        sql`select count(*)::int as count from usage_hours where api_key_id = ${spender}`,
      ),
    ).toEqual([{ count: 4 }]);
  });
});
