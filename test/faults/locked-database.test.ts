/** A lock in the database that somebody else holds, on tables that the admin page reads. */
import postgres from "postgres";
import { afterAll, beforeAll, expect, it } from "vitest";
import { adminCall } from "../helpers/own-proxy.ts";
import { startReplicas, type Replicas } from "../helpers/replicas.ts";
import { ADMIN_PASSWORD } from "../helpers/start-target.ts";

let started: Replicas<"node">;
beforeAll(async () => {
  started = await startReplicas({ node: { runtime: "node" } });
});
afterAll(() => started.stop());

const PATHS = [
  "/api-keys",
  "/tools",
  "/conversations",
  "/stats",
  "/audit",
  "/conversations/export",
];

it("is a 503 that says so, with a time to come back, on every admin endpoint", async () => {
  const { url } = started.at.node;
  const signedIn = await fetch(`${url}/api/admin/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ password: ADMIN_PASSWORD }),
  });
  const { token } = (await signedIn.json()) as { token: string };
  await adminCall(url, "/api-keys", { name: "before the lock" });
  const sql = postgres(started.databaseUrl, { max: 1, onnotice: () => undefined });
  await sql.begin(async (transaction) => {
    await transaction`lock table api_keys, tools, conversations, turns, usage_hours, audit_log in access exclusive mode`;
    const startedAt = performance.now();
    const headers = { authorization: `Bearer ${token}` };
    const answers = await Promise.all(
      PATHS.map(async (path) => {
        const answer = await fetch(`${url}/api/admin${path}`, { headers });
        return { path, answer, text: await answer.text() };
      }),
    );
    expect(performance.now() - startedAt).toBeLessThan(20_000);
    for (const { path, answer, text } of answers) {
      expect(answer.status, `${path}: ${text}`).toBe(503);
      expect(Number(answer.headers.get("retry-after")), path).toBeGreaterThan(0);
      expect(JSON.parse(text), path).toMatchObject({
        error: {
          code: "database_unavailable",
          message: expect.stringContaining("lock") as unknown,
        },
      });
    }
  });
  await sql.end();
  expect(await adminCall<object>(url, "/api-keys")).toBeDefined();
});
