/** What one process counts of its keys' limits. */
import { describe, expect, it } from "vitest";
import type { KeyLimit, Meter } from "../../src/limits/limit-store.ts";
import { noteTurnsWritten, openMemoryLimits } from "../../src/limits/memory-limits.ts";
import { createMonthLedger } from "../../src/limits/month-ledger.ts";
import { Memory } from "../../src/memory.ts";
import { setClock } from "../helpers/set-clock.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function open(start = "2026-11-15T12:00:00Z") {
  const clock = setClock(start);
  const memory = new Memory();
  const store = openMemoryLimits({ memory, clock });
  const wanted = (limits: Partial<Record<Meter, number>>) =>
    Object.entries(limits).map(([meter, limit]) => ({
      meter: meter as Meter,
      limit,
      amount: meter === "requests" ? 1 : 0,
    }));
  const take = async (limits: Partial<Record<Meter, number>>, key = "k") =>
    (await store.take(key, wanted(limits), "turn")).taken;
  const used = async (meter: Meter, key = "k") =>
    (await store.read(key, [{ meter, limit: 1 } satisfies KeyLimit]))[0]?.used;
  const turn = (id: string = crypto.randomUUID()) => ({
    id,
    conversationId: id,
    startedAt: clock.now(),
  });
  return { clock, memory, store, take, used, turn };
}

describe("a limit by the minute", () => {
  it("lets through as many as it says of many at the same time, of each key", async () => {
    const { take } = open();
    for (const key of ["one", "other"]) {
      const all = await Promise.all(Array.from({ length: 10 }, () => take({ requests: 3 }, key)));
      expect(all.filter(Boolean)).toHaveLength(3);
    }
  });

  it("takes nothing where another limit of the key is used up", async () => {
    const { take, used, store, turn } = open();
    await store.add("k", { meter: "tokens", amount: 100 }, turn());
    expect(await take({ requests: 5, tokens: 100 })).toBe(false);
    expect(await used("requests")).toBe(0);
    expect(await take({ requests: 5, tokens: 101 })).toBe(true);
    expect(await used("requests")).toBe(1);
  });

  it("says how long it lasts, and is over by then", async () => {
    const { take, store, clock } = open();
    await take({ requests: 1 });
    clock.pass(20_000);
    const [reading] = await store.read("k", [{ meter: "requests", limit: 1 }]);
    expect(reading?.waitMs).toBeGreaterThan(40_000 - 1);
    expect(reading?.waitMs).toBeLessThanOrEqual(41_000);
    clock.pass((reading?.waitMs ?? 0) - 1001);
    expect(await take({ requests: 1 })).toBe(false);
    clock.pass(1001);
    expect(await take({ requests: 1 })).toBe(true);
  });

  it.each([HOUR, -HOUR, 40 * 24 * HOUR, -40 * 24 * HOUR])(
    "neither frees nor locks where the system's clock jumps by %d ms",
    async (jump) => {
      const { take, clock, store } = open();
      await take({ requests: 1 });
      clock.set(clock.now() + jump);
      expect(await take({ requests: 1 })).toBe(false);
      const [reading] = await store.read("k", [{ meter: "requests", limit: 1 }]);
      expect(reading?.waitMs).toBeLessThanOrEqual(61_000);
      clock.pass(62_000);
      expect(await take({ requests: 1 })).toBe(true);
    },
  );
});

describe("a budget", () => {
  const budget = { cost: 1 };
  const spend = async ({ store, turn }: ReturnType<typeof open>, amount: number) =>
    store.add("k", { meter: "cost", amount }, turn());

  it("is the calendar month's, in UTC: it says when that ends, and begins anew then", async () => {
    const key = open("2026-11-30T23:30:00Z");
    await spend(key, 1);
    const taking = await key.store.take("k", [{ meter: "cost", limit: 1, amount: 0 }], "turn");
    expect(taking).toMatchObject({ taken: false, readings: [{ used: 1, waitMs: HOUR / 2 }] });
    key.clock.pass(HOUR / 2 - 1);
    expect(await key.take(budget)).toBe(false);
    key.clock.pass(1);
    expect(await key.take(budget)).toBe(true);
  });

  it("is not taken from by a turn that began in the month before", async () => {
    const key = open("2026-12-31T23:59:59Z");
    const turn = key.turn();
    key.clock.pass(2000);
    await key.store.add("k", { meter: "cost", amount: 5 }, turn);
    expect(await key.take(budget)).toBe(true);
    expect(await key.used("cost")).toBe(0);
  });

  it.each([HOUR, -HOUR])(
    "is the same after the clock jumped by %d ms over the month's end, and came back",
    async (jump) => {
      const key = open("2026-11-30T23:30:00Z");
      if (jump < 0) key.clock.set("2026-12-01T00:30:00Z");
      await spend(key, 1);
      const before = key.clock.now();
      key.clock.set(before + jump);
      expect(await key.take(budget)).toBe(true);
      key.clock.set(before);
      expect(await key.take(budget)).toBe(false);
    },
  );

  it("counts a turn whose cost is known only after its record was written, until a reading has it", async () => {
    const key = open();
    const turn = key.turn();
    noteTurnsWritten(key.memory, [turn.id]);
    await key.store.add("k", { meter: "cost", amount: 1 }, turn);
    expect(await key.take(budget)).toBe(false);
  });

  it("is kept for a key that was quiet for hours, where its record is not written", async () => {
    const key = open("2026-11-15T12:00:00Z");
    await spend(key, 1);
    key.clock.pass(5 * HOUR);
    for (const other of ["a", "b"]) await key.take({ requests: 1 }, other);
    expect(await key.take(budget)).toBe(false);
  });
});

describe("what turns under way may yet use", () => {
  const hold = async (
    { store }: ReturnType<typeof open>,
    turnId: string,
    amounts: Partial<Record<Meter, [amount: number, limit: number]>>,
  ) => {
    const wanted = Object.entries(amounts).map(([meter, [amount, limit]]) => ({
      meter: meter as Meter,
      limit,
      amount,
    }));
    return (await store.take("k", wanted, turnId)).taken;
  };

  it("leaves as much less for others, of tokens and of money, until the turn is over", async () => {
    const key = open();
    expect(await hold(key, "a", { tokens: [60, 100], cost: [0.6, 1] })).toBe(true);
    expect(await hold(key, "b", { tokens: [41, 100] })).toBe(false);
    expect(await hold(key, "b", { cost: [0.41, 1] })).toBe(false);
    expect(await hold(key, "b", { tokens: [40, 100], cost: [0.4, 1] })).toBe(true);
    expect(await hold(key, "c", { tokens: [1, 100] })).toBe(false);
    await key.store.release("k", "a");
    expect(await hold(key, "c", { tokens: [60, 100], cost: [0.6, 1] })).toBe(true);
  });

  it("refuses nobody who is alone, uses nothing, or has no such limit", async () => {
    const key = open();
    expect(await hold(key, "a", { cost: [50, 1] })).toBe(true);
    expect(await hold(key, "b", { cost: [0, 1] })).toBe(true);
    expect(await hold(key, "c", { tokens: [50, 1] })).toBe(true);
    expect(await hold(key, "d", { cost: [0.1, 1] })).toBe(false);
  });

  it("grows with its turn, and is nothing for one that holds nothing", async () => {
    const key = open();
    await hold(key, "a", { cost: [0.2, 1] });
    await key.store.hold("k", "a", { cost: 0.7 });
    await key.store.hold("k", "stranger", { cost: 5 });
    expect(await hold(key, "b", { cost: [0.4, 1] })).toBe(false);
    expect(await hold(key, "b", { cost: [0.3, 1] })).toBe(true);
  });

  it("is held no longer of a turn of which nobody heard for half a minute", async () => {
    const key = open();
    await hold(key, "dead", { cost: [1, 1] });
    await key.store.hold("k", "dead", { cost: 1 });
    key.clock.pass(29_000);
    expect(await hold(key, "b", { cost: [0.1, 1] })).toBe(false);
    await key.store.hold("k", "dead", { cost: 1 });
    key.clock.pass(29_000);
    expect(await hold(key, "b", { cost: [0.1, 1] })).toBe(false);
    key.clock.pass(1001);
    expect(await hold(key, "b", { cost: [0.1, 1] })).toBe(true);
  });
});

const turnOf = (id: string) => ({ id, conversationId: `of ${id}` });

describe("what turns cost that the database may not have", () => {
  it("counts until a reading has it that began after it was written", () => {
    const ledger = createMonthLedger();
    ledger.add(turnOf("a"), 1);
    const before = ledger.beginReading();
    ledger.noteWritten("a");
    before(true);
    expect(ledger.total()).toBe(1);
    const after = ledger.beginReading();
    expect(ledger.total()).toBe(1);
    after(true);
    expect(ledger.total()).toBe(0);
  });

  it("counts on where the reading failed, and where the turn is never written", () => {
    const ledger = createMonthLedger();
    ledger.add(turnOf("a"), 1);
    ledger.add(turnOf("b"), 2);
    ledger.noteWritten("a");
    ledger.beginReading()(false);
    expect(ledger.total()).toBe(3);
    ledger.beginReading()(true);
    ledger.beginReading()(true);
    expect(ledger.total()).toBe(2);
    expect(ledger.unwritten()).toEqual([{ ...turnOf("b"), dollars: 2 }]);
  });

  it("counts each round of a turn once, however often its writing is told", () => {
    const ledger = createMonthLedger();
    ledger.add(turnOf("a"), 0.1);
    ledger.add(turnOf("a"), 0.2);
    ledger.noteWritten("a");
    ledger.noteWritten("a");
    ledger.noteWritten("unknown");
    const [one, other] = [ledger.beginReading(), ledger.beginReading()];
    other(true);
    expect(ledger.total()).toBeCloseTo(0.3);
    one(true);
    expect(ledger.total()).toBe(0);
    expect(ledger.unwritten()).toEqual([]);
  });
});
