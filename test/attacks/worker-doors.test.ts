/** The doors on workerd, where the operator has no HOST to set. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { startPostgres } from "../helpers/postgres-server.ts";
import { rawRequest } from "../helpers/raw-http.ts";
import { startWorker, type Stop } from "../helpers/start-target.ts";

const stops: Stop[] = [];
let postgres: Awaited<ReturnType<typeof startPostgres>>;
beforeAll(async () => {
  postgres = await startPostgres();
  stops.push(postgres.stop);
});
afterAll(async () => {
  for (const stop of stops.toReversed()) await stop();
});

const answerAt = async (url: string, host: string) => {
  const headers = { host };
  const { status, body } = await rawRequest({ target: "/api/admin/api-keys", headers }, url);
  return [status, (JSON.parse(body) as { error: { code: string } }).error.code];
};

it("a Worker answers under workers.dev and the names that are allowed, and no others", async () => {
  const database = await postgres.createDatabase();
  const url = await startWorker(database, stops, { ALLOWED_HOSTS: "proxy.example" });
  for (const host of ["proxy.example", "me.workers.dev", "a.me.workers.dev", "localhost"])
    expect(await answerAt(url, host), host).toEqual([401, "admin_session_required"]);
  for (const host of ["rebound.example", "workers.dev", "proxy.example.evil.example"])
    expect(await answerAt(url, host), host).toEqual([403, "host_not_allowed"]);
});

it("a Worker with a weak secret serves nobody, and says why in its log alone", async () => {
  const database = await postgres.createDatabase();
  const url = await startWorker(database, stops, { ADMIN_PASSWORD: "password1234" });
  for (const host of ["me.workers.dev", "localhost"])
    expect(await answerAt(url, host), host).toEqual([503, "not_configured"]);
});
