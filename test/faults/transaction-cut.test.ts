import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDatabaseWire } from "../helpers/cuttable-database.ts";
import { adminCall, dataDirectory } from "../helpers/own-proxy.ts";
import { startPostgres } from "../helpers/postgres-server.ts";

let postgres: Awaited<ReturnType<typeof startPostgres>>;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

describe("a database that goes away in the midst of transactions", () => {
  it("fails these, and the proxy goes on", async () => {
    const wire = await openDatabaseWire(await postgres.createDatabase());
    const proxy = await dataDirectory().start({ DATABASE_URL: wire.url });
    const { id } = await adminCall<{ id: string }>(proxy.captured, "/api-keys", { name: "a" });
    for (let cut = 0; cut < 8; cut++) {
      // Each opens a transaction; the wire is cut at another moment of it every time.
      const calls = Array.from({ length: 6 }, () =>
        adminCall(proxy.captured, "/api-keys", { name: "b" }).catch(() => null),
      );
      await new Promise((resolve) => setTimeout(resolve, cut * 4));
      wire.cut();
      await Promise.race([Promise.all(calls), new Promise((resolve) => setTimeout(resolve, 1500))]);
      wire.mend();
      await expect
        .poll(async () => (await fetch(`${proxy.captured}/health`)).status, { timeout: 10_000 })
        .toBe(200);
    }
    expect(await adminCall<{ id: string }>(proxy.captured, `/api-keys/${id}`)).toMatchObject({
      id,
    });
    expect(proxy.child.exitCode).toBe(null);
    wire.close();
  });
});
