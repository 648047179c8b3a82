/** A limit by the minute, for as long as a minute takes. */
import { expect, it } from "vitest";
import { adminCall, chat, dataDirectory } from "../helpers/own-proxy.ts";

it(
  "A key that had used up its requests is let through again after a minute, and not before",
  { timeout: 120_000 },
  async () => {
    const { captured: url } = await dataDirectory().start();
    // Its upstream does not answer, which counts as a request all the same.
    const limited = {
      name: "limited",
      requestsPerMinute: 1,
      openaiBaseUrl: "http://127.0.0.1:1/v1",
    };
    const { key } = await adminCall<{ key: string }>(url, "/api-keys", limited);
    expect((await chat(url, key)).status).toBe(502);
    const endsAt = Date.now() + 60_000;
    const refused = await chat(url, key);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after")) * 1000).toBeGreaterThanOrEqual(
      endsAt - Date.now() - 1000,
    );
    await new Promise((resolve) => setTimeout(resolve, endsAt - 500 - Date.now()));
    expect((await chat(url, key)).status).toBe(429);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect((await chat(url, key)).status).toBe(502);
  },
);
