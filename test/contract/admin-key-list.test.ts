import { beforeAll, describe, expect, it } from "vitest";
import { post } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

interface Key {
  id: string;
  key: string;
  name: string;
  keyPrefix: string;
  keySuffix: string;
  expiresAt: string | null;
  lastUsedAt: string | null;
  createdAt: string;
  spend: { month: number };
}

interface Page {
  data: Key[];
  nextCursor: string | null;
}

/** In the names of this file's keys, and of no others. */
const MARK = crypto.randomUUID().slice(0, 13);
const NAMES = ["Émile 100%", "alpha_1", "Bravo", "alphaX1", "charlie \\ co", "Alpha"];
const made: Key[] = [];

const query = async (search: Record<string, string>): Promise<Response> =>
  proxy.admin(`/api-keys?${new URLSearchParams(search).toString()}`);
const list = async (search: Record<string, string>): Promise<Page> => {
  const answer = await query(search);
  expect(answer.status).toBe(200);
  return (await answer.json()) as Page;
};

/** Every page of a list, in pages of two. */
async function all(search: Record<string, string>): Promise<Key[]> {
  const keys: Key[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const page: Page = await list({
      q: MARK,
      limit: "2",
      ...search,
      ...(cursor === "" ? {} : { cursor }),
    });
    expect(page.data.length).toBeLessThanOrEqual(2);
    keys.push(...page.data);
    cursor = page.nextCursor;
  }
  expect(keys.map(({ id }) => id).toSorted()).toEqual(made.map(({ id }) => id).toSorted());
  return keys;
}

const names = (keys: Key[]) => keys.map(({ name }) => name.replace(` ${MARK}`, ""));

beforeAll(async () => {
  const year = [2032, null, 2030, null, 2031, 2030];
  for (const [index, name] of NAMES.entries()) {
    const expiresAt = year[index] === null ? null : `${year[index]}-01-01T00:00:00Z`;
    made.push((await proxy.createKey({ name: `${name} ${MARK}`, expiresAt })) as Key);
  }
});

describe("the list of keys", () => {
  it("is searched by name, by the visible start and by the visible end; a pattern's characters are plain ones", async () => {
    const found = async (q: string) =>
      names(
        (await list({ q, limit: "200" })).data.filter(({ name }) => name.endsWith(MARK)),
      ).toSorted();
    expect(await found(MARK)).toEqual([...NAMES].toSorted());
    expect(await found("ALPHA")).toEqual(["Alpha", "alphaX1", "alpha_1"]);
    expect(await found("alpha_")).toEqual(["alpha_1"]);
    expect(await found("100%")).toEqual(["Émile 100%"]);
    expect(await found("%")).toEqual(["Émile 100%"]);
    expect(await found("\\ co")).toEqual(["charlie \\ co"]);
    expect(await found(` bravo ${MARK} `)).toEqual(["Bravo"]);
    expect(await found("nobody's")).toEqual([]);
    for (const { keyPrefix, name } of made)
      expect(await found(keyPrefix)).toEqual([name.replace(` ${MARK}`, "")]);
    for (const { keySuffix, name } of made)
      expect(await found(keySuffix)).toContain(name.replace(` ${MARK}`, ""));
  });

  it("is ordered by name, whatever its case, both ways", async () => {
    const ascending = names(await all({ sort: "name" }));
    const plain = ascending.filter((name) => !name.startsWith("É") && !name.includes("_"));
    expect(plain).toEqual(["Alpha", "alphaX1", "Bravo", "charlie \\ co"]);
    expect(names(await all({ sort: "name", order: "desc" }))).toEqual(ascending.toReversed());
  });

  it("is ordered by expiry, soonest first; keys that never expire come last, both ways", async () => {
    const expiries = (keys: Key[]) => keys.map(({ expiresAt }) => expiresAt?.slice(0, 4) ?? null);
    expect(expiries(await all({ sort: "expiresAt" }))).toEqual([
      "2030",
      "2030",
      "2031",
      "2032",
      null,
      null,
    ]);
    expect(expiries(await all({ sort: "expiresAt", order: "desc" }))).toEqual([
      "2032",
      "2031",
      "2030",
      "2030",
      null,
      null,
    ]);
  });

  it("is ordered by creation, newest first", async () => {
    expect(names(await all({ sort: "createdAt" }))).toEqual(NAMES.toReversed());
    expect(names(await all({ sort: "createdAt", order: "asc" }))).toEqual(NAMES);
  });

  it("is ordered by last use and by spend; keys without either come last", async () => {
    const costs = [3_000_000, 1_000_000, 2_000_000];
    const answers = costs.map((tokens) =>
      completion(
        { content: "hi" },
        { usage: { prompt_tokens: tokens, completion_tokens: 0, total_tokens: tokens } },
      ),
    );
    const upstream = await startUpstream(...answers);
    const used = made.slice(1, 4);
    for (const { id, key } of used) {
      await proxy.admin(`/api-keys/${id}`, {
        method: "PATCH",
        json: { openaiBaseUrl: upstream.url },
      });
      expect(
        (await post(key, { model: "gpt-4.1-mini", messages: [{ role: "user", content: "hi" }] }))
          .status,
      ).toBe(200);
    }
    const areKnown = async () =>
      (await list({ q: MARK })).data.filter(
        ({ lastUsedAt, spend }) => lastUsedAt !== null && spend.month > 0,
      ).length;
    await expect.poll(areKnown, { timeout: 15_000, interval: 200 }).toBe(3);
    const bySpend = await all({ sort: "spend" });
    expect(names(bySpend).slice(0, 3)).toEqual([NAMES[1], NAMES[3], NAMES[2]]);
    expect(bySpend.map(({ spend }) => Number(spend.month.toFixed(3)))).toEqual([
      1.2, 0.8, 0.4, 0, 0, 0,
    ]);
    expect(names(await all({ sort: "spend", order: "asc" }))).toEqual(names(bySpend).toReversed());
    expect(names(await all({ sort: "lastUsedAt" })).slice(0, 3)).toEqual([
      NAMES[3],
      NAMES[2],
      NAMES[1],
    ]);
    const oldest = await all({ sort: "lastUsedAt", order: "asc" });
    expect(names(oldest).slice(0, 3)).toEqual([NAMES[1], NAMES[2], NAMES[3]]);
    expect(oldest.slice(3).every(({ lastUsedAt }) => lastUsedAt === null)).toBe(true);
  });

  it("refuses an order that there is not, and a cursor of another order", async () => {
    for (const [param, value] of Object.entries({ sort: "id", order: "up", q: "x".repeat(201) })) {
      const answer = await query({ [param]: value });
      expect([
        answer.status,
        ((await answer.json()) as { error: { param: string } }).error.param,
      ]).toEqual([400, param]);
    }
    const { nextCursor } = await list({ q: MARK, limit: "2", sort: "name" });
    const forged = (sort: string, value: unknown) => ({
      sort,
      order: "asc",
      cursor: btoa(JSON.stringify([sort, "asc", value, made[0]?.id])),
    });
    const refused = [
      { sort: "spend" },
      { sort: "name", order: "desc" },
      forged("lastUsedAt", "'); drop table api_keys; --"),
      forged("expiresAt", "2026-99-99T00:00:00.000Z"),
      forged("spend", "1e999"),
      forged("name", "a\0b"),
      forged("name", 1),
    ];
    for (const search of refused) {
      const answer = await query({ cursor: nextCursor ?? "", ...search });
      expect([
        answer.status,
        ((await answer.json()) as { error: { param: string } }).error.param,
      ]).toEqual([400, "cursor"]);
    }
    expect((await query(forged("expiresAt", "2026-12-31T00:00:00.000Z"))).status).toBe(200);
  });
});
