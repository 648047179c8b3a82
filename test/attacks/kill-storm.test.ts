/** A storm of kills: whatever was answered is on record once, and statistics say the same. */
import { beforeAll, afterAll, expect, it } from "vitest";
import { titlesOf } from "../helpers/operator.ts";
import { adminCall, chat, dataDirectory } from "../helpers/own-proxy.ts";
import { startPostgres } from "../helpers/postgres-server.ts";
import { stormLength } from "../helpers/storm-length.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

let server: Awaited<ReturnType<typeof startPostgres>>;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

/** Clients that ask at the same time. */
const CLIENTS = 6;
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Counts that upstreams do send, and that no column of numbers takes as they are. */
const USAGES = [
  { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, cost: 0.5 },
  { prompt_tokens: 1_000_000.5, completion_tokens: 3e9, total_tokens: 9e15 },
  { prompt_tokens: 1e300, completion_tokens: -4, total_tokens: 1e300 },
  { prompt_tokens: 10, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 9e9 } },
];

it.each(["postgres", "embedded"])(
  "kills lose no answered turn, and double none (%s)",
  async (kind) => {
    let asked = 0;
    const upstream = await startUpstream((request, response) => {
      const usage = USAGES[asked++ % USAGES.length];
      return completion({ content: "hi \u0000 \ud800" }, { usage })(request, response);
    });
    const env = kind === "postgres" ? { DATABASE_URL: await server.createDatabase() } : {};
    const directory = dataDirectory();
    const first = await directory.start(env);
    const { key } = await adminCall<{ key: string }>(first.captured, "/api-keys", {
      name: "storm",
      openaiBaseUrl: upstream.url,
    });
    await first.stop("SIGTERM");

    const answered: string[] = [];
    let title = 0;
    const kills = stormLength({ ci: 2, soak: 200 });
    for (let kill = 0; kill < kills; kill++) {
      const proxy = await directory.start(env);
      const storm = { isOver: false };
      const ask = async (): Promise<void> => {
        while (!storm.isOver) {
          const name = `turn ${++title}`;
          const answer = await chat(proxy.captured, key, name);
          await answer.text();
          if (answer.status === 200) answered.push(name);
        }
      };
      const clients = Array.from({ length: CLIENTS }, () =>
        ask().catch((error: unknown) => {
          // Its proxy was killed: that is the storm.
          if (!storm.isOver) throw error;
        }),
      );
      await pause(400 + 300 * (kill % 4));
      storm.isOver = true;
      await proxy.stop("SIGKILL");
      await Promise.all(clients);
    }

    const { captured: url } = await directory.start(env);
    const missing = async () => {
      const onRecord = new Set(await titlesOf(url));
      return answered.filter((name) => !onRecord.has(name));
    };
    await expect.poll(missing, { timeout: 60_000 }).toEqual([]);
    const titles = await titlesOf(url);
    expect(titles.length).toBe(new Set(titles).size);
    const { totals } = await adminCall<{ totals: { requests: number }[] }>(url, "/stats");
    expect(totals.map(({ requests }) => requests)).toEqual([titles.length]);
  },
);
