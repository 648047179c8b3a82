import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { openDatabaseWire } from "../helpers/cuttable-database.ts";
import { adminCall, chat, dataDirectory, healthAt } from "../helpers/own-proxy.ts";
import { startPostgres } from "../helpers/postgres-server.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

let postgres: Awaited<ReturnType<typeof startPostgres>>;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

describe("with the database away", () => {
  it("known keys go on working, unknown ones get 503 with retry-after, and nothing of the record is lost", async () => {
    const database = await openDatabaseWire(await postgres.createDatabase());
    onTestFinished(database.close);
    const upstream = await startUpstream(completion({ content: "hi" }));
    const proxy = await dataDirectory().start({ DATABASE_URL: database.url });
    const { key } = await adminCall<{ key: string }>(proxy.captured, "/api-keys", {
      name: "known",
      openaiBaseUrl: upstream.url,
    });
    const unused = await adminCall<{ key: string }>(proxy.captured, "/api-keys", {
      name: "never used",
      openaiBaseUrl: upstream.url,
    });
    expect((await chat(proxy.captured, key, "before")).status).toBe(200);

    database.cut();
    await new Promise((resolve) => setTimeout(resolve, 5500));
    expect((await chat(proxy.captured, key, "while away")).status).toBe(200);
    const refused = await chat(proxy.captured, unused.key);
    expect([refused.status, Number(refused.headers.get("retry-after"))]).toEqual([503, 2]);
    expect(((await refused.json()) as { error: { code: string } }).error.code).toBe(
      "database_unavailable",
    );
    const health = await fetch(`${proxy.captured}/health`);
    expect([health.status, ((await health.json()) as { status: string }).status]).toEqual([
      200,
      "degraded",
    ]);

    database.mend();
    await expect
      .poll(() => healthAt(proxy.captured), { timeout: 15_000 })
      .toMatchObject({ status: "ok", parts: { records: { waitingSegments: 1 } } });
    await expect
      .poll(
        async () =>
          (
            await adminCall<{ data: { title: string }[] }>(proxy.captured, "/conversations")
          ).data.map(({ title }) => title),
        {
          timeout: 15_000,
        },
      )
      .toEqual(["while away", "before"]);
  });
});
