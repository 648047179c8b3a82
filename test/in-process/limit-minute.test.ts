/** A limit by the minute, by a clock that the test sets: product and test share a process. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ask, post } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: Date.now() }));
afterEach(() => void vi.useRealTimers());

const pass = (ms: number) => vi.setSystemTime(Date.now() + ms);

it("A key that had used up its requests is let through again after a minute, and not before", async () => {
  const upstream = await startUpstream(completion({ content: "5" }));
  const limited = { requestsPerMinute: 1, openaiBaseUrl: upstream.url };
  const { key } = await proxy.createKey(limited);
  const status = async () => (await post(key, ask())).status;
  expect(await status()).toBe(200);
  const refused = await post(key, ask());
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(60);
  pass(59_500);
  expect(await status()).toBe(429);
  pass(2500);
  expect(await status()).toBe(200);
  expect(await status()).toBe(429);
});
