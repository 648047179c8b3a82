/** A limit by the minute, by a clock that the test turns. */
import { expect, it } from "vitest";
import { createTestClock, startInProcess } from "../helpers/in-process.ts";
import { chat } from "../helpers/own-proxy.ts";
import { here, proxy } from "../helpers/proxy.ts";

it("A key that had used up its requests is let through again after a minute, and not before", async () => {
  const clock = createTestClock();
  const { database } = here.inProcess?.platform ?? {};
  if (database === undefined) throw new Error("The proxy is not in this process");
  const { url } = await startInProcess({ clock, database });
  // Its upstream does not answer, which counts as a request all the same.
  const limited = { requestsPerMinute: 1, openaiBaseUrl: "http://127.0.0.1:1/v1" };
  const { key } = await proxy.createKey(limited);
  const status = async () => (await chat(url, key)).status;
  expect(await status()).toBe(502);
  const refused = await chat(url, key);
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(60);
  clock.pass(59_000);
  expect(await status()).toBe(429);
  clock.pass(3000);
  expect(await status()).toBe(502);
  expect(await status()).toBe(429);
});
