import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminCall, chat, dataDirectory } from "../helpers/own-proxy.ts";
import { startPostgres } from "../helpers/postgres-server.ts";
import { ADMIN_PASSWORD } from "../helpers/start-target.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

let postgres: Awaited<ReturnType<typeof startPostgres>>;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

async function switchOff(url: string, id: string): Promise<void> {
  const headers = { "content-type": "application/json" };
  const signedIn = await fetch(`${url}/api/admin/login`, {
    method: "POST",
    headers,
    body: JSON.stringify({ password: ADMIN_PASSWORD }),
  });
  const { token } = (await signedIn.json()) as { token: string };
  const init = {
    method: "PATCH",
    headers: { ...headers, authorization: `Bearer ${token}` },
    body: '{"isActive":false}',
  };
  expect((await fetch(`${url}/api/admin/api-keys/${id}`, init)).status).toBe(200);
}

describe("two replicas on one database", () => {
  it("start together, know each other's keys, and stop a revoked key within 5 s, however busy it is", async () => {
    const upstream = await startUpstream(completion({ content: "hi" }));
    const database = await postgres.createDatabase();
    const [one, other] = await Promise.all([
      dataDirectory().start({ DATABASE_URL: database }),
      dataDirectory().start({ DATABASE_URL: database }),
    ]);
    const { key, id } = await adminCall<{ key: string; id: string }>(one.captured, "/api-keys", {
      name: "shared",
      openaiBaseUrl: upstream.url,
    });
    for (const replica of [one, other])
      expect((await chat(replica.captured, key)).status).toBe(200);
    await switchOff(one.captured, id);
    const revokedAt = Date.now();
    expect((await chat(one.captured, key)).status).toBe(401);
    const statuses: number[] = [];
    while (statuses.at(-1) !== 401 && Date.now() - revokedAt < 10_000)
      statuses.push((await chat(other.captured, key)).status);
    expect(statuses.at(-1)).toBe(401);
    expect(Date.now() - revokedAt).toBeLessThan(5000);
  });
});
