/** Limits of keys, of which the database knows what was used on all replicas. */
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openDatabaseLimits } from "../../../src/limits/database-limits.ts";
import type { Meter } from "../../../src/limits/limit-store.ts";
import { noteTurnsWritten, openMemoryLimits } from "../../../src/limits/memory-limits.ts";
import { Memory } from "../../../src/memory.ts";
import { openDatabase } from "../../../src/node/database/open-database.ts";
import { createOnce } from "../../../src/node/wait-for-one-another.ts";
import type { Platform, RequestScope } from "../../../src/platform.ts";
import { openSharedLimits } from "../../../src/limits/shared-limits.ts";
import type { Database } from "../../../src/store/database.ts";
import { startPostgres, type TestPostgres } from "../../helpers/postgres-server.ts";
import { setClock } from "../../helpers/set-clock.ts";
import { memoryLogger } from "./memory-logger.ts";

let server: TestPostgres;
let opened: Awaited<ReturnType<typeof openDatabase>>;
beforeAll(async () => {
  server = await startPostgres();
  const url = await server.createDatabase();
  opened = await openDatabase({ databaseUrl: url, dataDir: "unused" }, memoryLogger());
});
afterAll(async () => {
  await opened.close();
  await server.stop();
});

let key: string;
beforeEach(() => {
  key = crypto.randomUUID();
});

/** Puts figures of the key on record, as a turn of any replica does when it is written. */
const record = (hour: string, figures: { cost?: number; requests?: number; refused?: number }) =>
  opened.database.execute(sql`
    insert into usage_hours (hour, api_key_id, api_key_name, model, endpoint, requests, refused, failed, cancelled,
      prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost, unpriced, durations, times_to_first_token)
    values (${hour}, ${key}, 'k', 'm', '/v1', ${figures.requests ?? 1}, ${figures.refused ?? 0}, 0, 0, 0, 0, 0, 0, ${figures.cost ?? 0}, 0, '{}', '{}')
    on conflict (hour, api_key_id, model, endpoint) do update
      set cost = usage_hours.cost + excluded.cost, requests = usage_hours.requests + excluded.requests, refused = usage_hours.refused + excluded.refused`);

/** One process. */
function openProcess(start: string, waitingRecords: Platform["waitingRecords"] = null) {
  const clock = setClock(start);
  const memory = new Memory();
  const behind: Promise<unknown>[] = [];
  const platform = { clock, memory, once: createOnce(), logger: memoryLogger(), waitingRecords };
  const reached = { database: opened.database, count: 0 };
  const scope = {
    platform: Object.defineProperty(platform, "database", {
      get: () => {
        reached.count++;
        return reached.database;
      },
    }) as unknown as Platform,
    waitUntil: (promise: Promise<unknown>) => void behind.push(promise),
  } as RequestScope;
  const store = openDatabaseLimits(scope, openMemoryLimits(scope.platform), null);
  const ask = async (meter: Meter, limit: number) => {
    const amount = meter === "requests" ? 1 : 0;
    const { taken } = await store.take(key, [{ meter, limit, amount }], "turn");
    await Promise.all(behind.splice(0));
    return taken;
  };
  return {
    clock,
    memory,
    store,
    ask,
    timesAsked: () => reached.count,
    loseDatabase: () => {
      reached.database = {} as Database;
    },
    /** Has a turn cost so much, and gives its id. */
    spend: async (amount: number) => {
      const id = crypto.randomUUID();
      const turn = { id, conversationId: id, startedAt: clock.now() };
      await store.add(key, { meter: "cost", amount }, turn);
      return turn.id;
    },
  };
}

const NOW = "2026-11-15T12:00:00Z";
const HOUR = "2026-11-15T12:00:00Z";

describe("a budget", () => {
  it("counts what is on record from the first request on, and what other replicas add within seconds", async () => {
    await record(HOUR, { cost: 1 });
    const proxy = openProcess(NOW);
    expect(await proxy.ask("cost", 1)).toBe(false);
    expect(await proxy.ask("cost", 2)).toBe(true);
    await record(HOUR, { cost: 1 });
    proxy.clock.pass(2500);
    await proxy.ask("cost", 2);
    expect(await proxy.ask("cost", 2)).toBe(false);
  });

  it("is given back by no reading while the record waits, nor taken from twice when it is written", async () => {
    const proxy = openProcess(NOW);
    const id = await proxy.spend(2);
    for (let reading = 0; reading < 5; reading++) {
      expect(await proxy.ask("cost", 1)).toBe(false);
      proxy.clock.pass(11_000);
    }
    await record(HOUR, { cost: 2 });
    noteTurnsWritten(proxy.memory, [id]);
    for (let reading = 0; reading < 3; reading++) {
      expect([await proxy.ask("cost", 2), await proxy.ask("cost", 2.1)]).toEqual([false, true]);
      proxy.clock.pass(11_000);
    }
  });

  it("is that of last month no longer when a month begins, and of this one at once", async () => {
    await record("2026-11-30T23:00:00Z", { cost: 5 });
    const proxy = openProcess("2026-11-30T23:59:55Z");
    expect(await proxy.ask("cost", 5)).toBe(false);
    proxy.clock.pass(5000);
    expect(await proxy.ask("cost", 5)).toBe(true);
    await proxy.spend(5);
    expect(await proxy.ask("cost", 5)).toBe(false);
    await record("2026-12-01T00:00:00Z", { cost: 1 });
    proxy.clock.pass(3000);
    await proxy.ask("cost", 6);
    expect([await proxy.ask("cost", 6), await proxy.ask("cost", 6.1)]).toEqual([false, true]);
  });

  it("holds, as far as it is known, where the database is away: over the month's end too", async () => {
    await record("2026-11-30T23:00:00Z", { cost: 1 });
    const proxy = openProcess("2026-11-30T23:59:00Z");
    expect(await proxy.ask("cost", 2)).toBe(true);
    proxy.loseDatabase();
    proxy.clock.pass(11_000);
    await proxy.spend(1);
    expect(await proxy.ask("cost", 2)).toBe(false);
    proxy.clock.pass(3_600_000);
    expect(await proxy.ask("cost", 2)).toBe(true);
    await proxy.spend(2);
    expect(await proxy.ask("cost", 2)).toBe(false);
  });

  it("neither comes back nor is locked where the clock is set back and forth over the month's end", async () => {
    await record("2026-11-30T23:00:00Z", { cost: 5 });
    const proxy = openProcess("2026-11-30T23:30:00Z");
    expect(await proxy.ask("cost", 5)).toBe(false);
    proxy.loseDatabase();
    proxy.clock.set("2026-12-01T00:30:00Z");
    expect(await proxy.ask("cost", 5)).toBe(true);
    proxy.clock.set("2026-11-30T23:31:00Z");
    expect(await proxy.ask("cost", 5)).toBe(false);
  });

  it("is asked for once by many requests at the same time", async () => {
    await record(HOUR, { cost: 1 });
    const proxy = openProcess(NOW);
    const taken = await Promise.all(Array.from({ length: 20 }, () => proxy.ask("cost", 1)));
    expect(new Set(taken)).toEqual(new Set([false]));
    expect(proxy.timesAsked()).toBe(1);
  });
});

/** Has a turn of the key be on record, as far as it is looked for. */
const recordTurn = (id: string) =>
  opened.database.execute(sql`
    insert into conversations (id, request_id, api_key_id, api_key_name, title, model, endpoint, status, message_count,
      tool_execution_count, turn_count, duration_ms, created_at, updated_at)
    values (${id}, ${id}, ${key}, 'k', '', 'm', '/v1', 'completed', 0, 0, 1, 0, ${HOUR}, ${HOUR})`);

describe("a budget whose records wait elsewhere", () => {
  it("counts what others have handed on, until that is on record", async () => {
    const waiting = { dollars: 2 };
    const proxy = openProcess(NOW, { dollars: async () => waiting.dollars });
    expect([await proxy.ask("cost", 2), await proxy.ask("cost", 2.1)]).toEqual([false, true]);
    waiting.dollars = 0;
    await record(HOUR, { cost: 2 });
    proxy.clock.pass(11_000);
    expect([await proxy.ask("cost", 2), await proxy.ask("cost", 2.1)]).toEqual([false, true]);
  });

  it("counts what this process has handed on once, before and after it is on record", async () => {
    const excepted: string[][] = [];
    const dollars = async (_key: string, except: string[]) => {
      excepted.push(except);
      return 0;
    };
    const proxy = openProcess(NOW, { dollars });
    const id = await proxy.spend(2);
    for (let reading = 0; reading < 3; reading++) {
      expect([await proxy.ask("cost", 2), await proxy.ask("cost", 2.1)]).toEqual([false, true]);
      proxy.clock.pass(11_000);
    }
    expect(excepted).toEqual([[id], [id], [id]]);
    await record(HOUR, { cost: 2 });
    await recordTurn(id);
    for (let reading = 0; reading < 3; reading++) {
      expect([await proxy.ask("cost", 2), await proxy.ask("cost", 2.1)]).toEqual([false, true]);
      proxy.clock.pass(11_000);
    }
    expect(excepted.at(-1)).toEqual([]);
  });
});

describe("a limit by the minute", () => {
  it("counts what other replicas use, spread over the time between two readings", async () => {
    const proxy = openProcess(NOW);
    expect(await proxy.ask("requests", 10)).toBe(true);
    await record(HOUR, { requests: 10 });
    proxy.clock.pass(1500);
    await proxy.ask("requests", 10);
    expect(await proxy.ask("requests", 10)).toBe(false);
    proxy.clock.pass(63_000);
    expect(await proxy.ask("requests", 10)).toBe(true);
  });

  it("is not taken from by what was refused, here or at other replicas", async () => {
    const proxy = openProcess(NOW);
    expect(await proxy.ask("requests", 3)).toBe(true);
    await record(HOUR, { requests: 100, refused: 99 });
    proxy.clock.pass(1500);
    await proxy.ask("requests", 3);
    expect(await proxy.ask("requests", 3)).toBe(true);
    expect(await proxy.ask("requests", 3)).toBe(false);
  });

  it("does not count twice what this process used itself, when that is on record", async () => {
    const proxy = openProcess(NOW);
    for (let request = 0; request < 5; request++) await proxy.ask("requests", 10);
    await record(HOUR, { requests: 5 });
    proxy.clock.pass(1500);
    for (let request = 0; request < 5; request++)
      expect(await proxy.ask("requests", 10)).toBe(true);
    expect(await proxy.ask("requests", 10)).toBe(false);
  });

  it.each([3_600_000, -3_600_000])(
    "neither frees nor locks where the system's clock jumps by %d ms",
    async (jump) => {
      const proxy = openProcess(NOW);
      await proxy.ask("requests", 10);
      await record(HOUR, { requests: 10 });
      proxy.clock.pass(1500);
      await proxy.ask("requests", 10);
      proxy.clock.set(proxy.clock.now() + jump);
      for (let second = 0; second < 3; second++) {
        expect(await proxy.ask("requests", 10)).toBe(false);
        proxy.clock.pass(1000);
      }
      proxy.clock.pass(63_000);
      expect(await proxy.ask("requests", 10)).toBe(true);
    },
  );
});

/** Processes on the one database that share what is left of the key's limits. */
function openSharing(count: number) {
  const clock = setClock(NOW);
  const open = () => {
    const memory = new Memory();
    const behind: Promise<unknown>[] = [];
    const logger = memoryLogger();
    const platform = { clock, memory, once: createOnce(), logger, waitingRecords: null };
    const reached = { database: opened.database, count: 0 };
    const scope = {
      platform: Object.defineProperty(platform, "database", {
        get: () => {
          reached.count++;
          return reached.database;
        },
      }) as unknown as Platform,
      waitUntil: (promise: Promise<unknown>) => void behind.push(promise),
      ending: new AbortController().signal,
    } as RequestScope;
    const own = openMemoryLimits(scope.platform);
    const store = openDatabaseLimits(scope, own, openSharedLimits(scope, own.readNow, 20));
    const settle = async (): Promise<void> => void (await Promise.all(behind.splice(0)));
    const ask = async (meter: Meter, limit: number, amount = 1) => {
      const turnId = crypto.randomUUID();
      const { taken } = await store.take(key, [{ meter, limit, amount }], turnId);
      return taken ? turnId : null;
    };
    const spend = (turnId: string, amount: number) => {
      const turn = { id: turnId, conversationId: turnId, startedAt: clock.now() };
      return store.add(key, { meter: "cost", amount }, turn);
    };
    return { ask, spend, settle, store, memory, reached };
  };
  const processes = Array.from({ length: count }, open);
  /** Here and in the database. */
  const pass = async (ms: number): Promise<void> => {
    for (const { settle } of processes) await settle();
    clock.pass(ms);
    await opened.database.execute(
      sql`update limit_shares set at = at - ${ms / 1000} * interval '1 s' where api_key_id = ${key}`,
    );
  };
  return { pass, processes };
}

const passed = (asked: (string | null)[]) => asked.filter((turnId) => turnId !== null).length;

describe("a limit that processes share", () => {
  it("lets through as many as it says, whoever of them is asked at the same time", async () => {
    const { processes } = openSharing(3);
    const all = await Promise.all(
      Array.from({ length: 60 }, (_, index) => processes[index % 3]?.ask("requests", 20) ?? null),
    );
    expect(passed(all)).toBe(20);
  });

  it("lets all through one after the other, whatever their other limits may lose", async () => {
    const { processes } = openSharing(1);
    const [one] = processes;
    const turns = [];
    for (let time = 0; time < 3; time++) {
      const wanted = [
        { meter: "tokens" as const, limit: 1000, amount: 16_000 },
        { meter: "requests" as const, limit: 2, amount: 1 },
      ];
      const { taken } = (await one?.store.take(key, wanted, "turn")) ?? {};
      turns.push(taken);
      await one?.store.release(key, "turn");
    }
    expect(turns).toEqual([true, true, false]);
  });

  it("lets nobody spend what another may: but for one that is alone in its process", async () => {
    const { processes } = openSharing(2);
    const burst = () =>
      Promise.all(
        Array.from({ length: 40 }, (_, at) => processes[at % 2]?.ask("cost", 1, 0.2) ?? null),
      );
    const count = passed(await burst());
    expect(count).toBeGreaterThanOrEqual(5);
    expect(count).toBeLessThanOrEqual(6);
    expect(passed(await burst())).toBe(0);
  });

  it("is any process's to use up: what one does not need is the others' soon", async () => {
    const { pass, processes } = openSharing(2);
    const [one, other] = processes;
    expect(
      passed(await Promise.all(Array.from({ length: 8 }, () => one?.ask("requests", 20) ?? null))),
    ).toBe(8);
    let others = 0;
    for (let second = 0; second < 12; second++) {
      for (let time = 0; time < 3; time++)
        others += passed([(await other?.ask("requests", 20)) ?? null]);
      await other?.settle();
      await pass(1000);
    }
    expect(others).toBe(12);
  });

  it("takes a few questions to the database a second, whatever comes", async () => {
    const { pass, processes } = openSharing(1);
    const [one] = processes;
    for (let second = 0; second < 10; second++) {
      for (let time = 0; time < 50; time++)
        expect(await one?.ask("requests", 100_000)).not.toBeNull();
      await pass(1000);
    }
    expect(one?.reached.count).toBeLessThan(50);
  });

  it("is free again when turns are over, here and elsewhere", async () => {
    const { processes } = openSharing(2);
    const [one, other] = processes;
    const turnId = await one?.ask("cost", 1, 0.9);
    expect(await one?.ask("cost", 1, 0.2)).toBeNull();
    await one?.spend(turnId ?? "", 0.1);
    await one?.store.release(key, turnId ?? "");
    expect(await one?.ask("cost", 1, 0.8)).not.toBeNull();
    expect(await one?.ask("cost", 1, 0.2)).toBeNull();
    expect(await other?.ask("cost", 1, 5)).not.toBeNull();
    expect(await other?.ask("cost", 1, 0.1)).toBeNull();
  });

  it("is refused at once where others spent it whose records are not written", async () => {
    const { processes } = openSharing(2);
    const [one, other] = processes;
    const turnId = await one?.ask("cost", 1, 0.5);
    await one?.spend(turnId ?? "", 2);
    await one?.store.release(key, turnId ?? "");
    expect(await one?.ask("cost", 1, 0.1)).toBeNull();
    await one?.ask("requests", 10);
    expect(await other?.ask("cost", 3, 0.5)).not.toBeNull();
  });

  it("is free again some time after a process died with what it used and held", async () => {
    const { pass, processes } = openSharing(2);
    const [dead, other] = processes;
    await dead?.ask("requests", 10);
    await dead?.ask("cost", 1, 0.9);
    await pass(0);
    expect(await other?.ask("cost", 1, 0.2)).not.toBeNull();
    expect(await other?.ask("cost", 1, 0.2)).toBeNull();
    expect(await other?.ask("requests", 1)).toBeNull();
    await pass(36_000);
    for (let time = 0; time < 5; time++) expect(await other?.ask("cost", 1, 0.19)).not.toBeNull();
    expect(await other?.ask("cost", 1, 0.19)).toBeNull();
    expect(await other?.ask("requests", 1)).toBeNull();
    await pass(30_000);
    expect(await other?.ask("requests", 1)).not.toBeNull();
  });

  it("holds as far as it is known with the database away, and waits once", async () => {
    const { pass, processes } = openSharing(1);
    const [one] = processes;
    expect(await one?.ask("requests", 3)).not.toBeNull();
    if (one !== undefined) one.reached.database = {} as Database;
    await pass(11_000);
    const count = one?.reached.count ?? 0;
    const all = [];
    for (let time = 0; time < 4; time++) all.push((await one?.ask("requests", 3)) ?? null);
    expect(passed(all)).toBe(2);
    expect(one?.reached.count).toBeLessThanOrEqual(count + 2);
  });
});
