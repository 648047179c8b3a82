import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { adminCall, chat, dataDirectory } from "../helpers/own-proxy.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

function pricesFile(text: string): string {
  const directory = mkdtempSync(join(tmpdir(), "proxy-prices-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "prices.json");
  writeFileSync(path, text);
  return path;
}

interface Stats {
  totals: { requests: number; cost: number | null }[];
}

describe("a file of prices", () => {
  it("prices what nobody else knows", async () => {
    const path = pricesFile(
      '{"models": {"gpt-t*": {"inputPerMillion": 1000, "cachedInputPerMillion": 500, "outputPerMillion": 2000}}}\n',
    );
    const proxy = await dataDirectory().start({ PRICES_FILE: path });
    const upstream = await startUpstream(completion({ content: "hello" }));
    const { key } = await adminCall<{ key: string }>(proxy.captured, "/api-keys", {
      name: "priced",
      openaiBaseUrl: upstream.url,
    });
    expect((await chat(proxy.captured, key)).status).toBe(200);
    // 10 prompt tokens, 2 of them from the cache, and 5 of the answer.
    await expect
      .poll(async () => (await adminCall<Stats>(proxy.captured, "/stats")).totals, {
        timeout: 10_000,
      })
      .toEqual([
        expect.objectContaining({ requests: 1, cost: expect.closeTo(0.019, 10), unpriced: 0 }),
      ]);
  });

  it("stops the start with its faults, where it has some", async () => {
    const path = pricesFile(
      '{"models": {"gpt-*": {"inputPerMilion": 1, "outputPerMillion": "2"}}}',
    );
    const start = dataDirectory().start({ PRICES_FILE: path });
    await expect(start).rejects.toThrow(
      /PRICES_FILE.*gpt-\* → outputPerMillion: must be a number/s,
    );
    await expect(start).rejects.toThrow(/there is no field "inputPerMilion"/);
    await expect(dataDirectory().start({ PRICES_FILE: `${path}.gone` })).rejects.toThrow(
      /PRICES_FILE names a file that cannot be read/,
    );
  });
});
