/** A budget is taken from when a use happens, whatever becomes of the record of it. */
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { adminCall, chat, dataDirectory } from "../helpers/own-proxy.ts";
import { startPostgres } from "../helpers/postgres-server.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

let server: Awaited<ReturnType<typeof startPostgres>>;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A proxy, its database, and a key that may spend $1, each of whose calls costs $2. */
async function poorKey() {
  const usage = { prompt_tokens: 999_999, completion_tokens: 1, total_tokens: 1_000_000, cost: 2 };
  const upstream = await startUpstream(completion({ content: "hi" }, { usage }));
  const url = await server.createDatabase();
  const proxy = await dataDirectory().start({ DATABASE_URL: url });
  const client = postgres(url, { max: 1, onnotice: () => undefined });
  onTestFinished(() => client.end({ timeout: 1 }));
  const { id, key } = await adminCall<{ id: string; key: string }>(proxy.captured, "/api-keys", {
    name: "poor",
    openaiBaseUrl: upstream.url,
    monthlyBudget: 1,
  });
  const spent = async (): Promise<number> => {
    const { spend } = await adminCall<{ spend: { month: number } }>(
      proxy.captured,
      `/api-keys/${id}`,
    );
    return spend.month;
  };
  return { url: proxy.captured, key, client, spent };
}

/** The statuses of calls, one every half second, for long enough to read the database twice. */
async function statusesFor(seconds: number, url: string, key: string): Promise<number[]> {
  const statuses: number[] = [];
  for (let call = 0; call < 2 * seconds; call++) {
    statuses.push((await chat(url, key, `call ${call}`)).status);
    await pause(500);
  }
  return statuses;
}

const refusals = (statuses: number[]) => new Set(statuses);

describe("a budget that is used up", () => {
  it.each(["turns", "usage_hours"])(
    "stays so while the table %s is locked, so that the record waits, and afterwards",
    async (table) => {
      const { url, key, client, spent } = await poorKey();
      let unlock = () => {};
      const locked = new Promise<void>((resolve) => {
        unlock = resolve;
      });
      let isLocked = () => {};
      const locking = new Promise<void>((resolve) => {
        isLocked = resolve;
      });
      const holding = client.begin(async (transaction) => {
        await transaction.unsafe(`lock table ${table} in share mode`);
        isLocked();
        await locked;
      });
      await locking;
      expect((await chat(url, key)).status).toBe(200);
      expect(refusals(await statusesFor(5, url, key))).toEqual(new Set([429]));
      unlock();
      await holding;
      await expect.poll(spent, { timeout: 15_000 }).toBe(2);
      expect(refusals(await statusesFor(3, url, key))).toEqual(new Set([429]));
      expect(await spent()).toBe(2);
    },
  );

  it("stays so where the database refuses what the turn says: its figures are on record once", async () => {
    const { url, key, client, spent } = await poorKey();
    await client.unsafe(`
      create function refuse() returns trigger language plpgsql as
        $$ begin raise exception 'no such text' using errcode = '22P05'; end $$;
      create trigger refuse before insert on message_bodies execute function refuse();`);
    const answer = await chat(url, key);
    expect(answer.status).toBe(200);
    await expect.poll(spent, { timeout: 10_000 }).toBe(2);
    expect(refusals(await statusesFor(5, url, key))).toEqual(new Set([429]));
    expect(await spent()).toBe(2);
    const id = answer.headers.get("x-proxy-conversation-id") ?? "";
    const conversation = await adminCall<{ error: string; messages: unknown[] }>(
      url,
      `/conversations/${id}`,
    );
    expect(conversation.messages).toEqual([]);
  });

  it("stays so where the database never takes anything of the turn", async () => {
    const { url, key, client, spent } = await poorKey();
    await client.unsafe(`
      create function refuse() returns trigger language plpgsql as
        $$ begin raise exception 'never' using errcode = '23514'; end $$;
      create trigger refuse before insert on conversations execute function refuse();`);
    expect((await chat(url, key)).status).toBe(200);
    expect(refusals(await statusesFor(5, url, key))).toEqual(new Set([429]));
    expect(await spent()).toBe(0);
  });
});
