/** What is measured, is measured by a clock that nobody sets. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { adminCall, chat, dataDirectory } from "../helpers/own-proxy.ts";
import { startPostgres } from "../helpers/postgres-server.ts";
import { completion, startUpstream, toolCall } from "../helpers/upstream.ts";

let server: Awaited<ReturnType<typeof startPostgres>>;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

const HOUR_MS = 3_600_000;
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));
const usage = { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20, cost: 2 };

/** A proxy whose clock can be turned. */
async function startTurnable() {
  const directory = mkdtempSync(join(tmpdir(), "turned-clock-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, "offset");
  writeFileSync(file, "0");
  const helper = resolve(import.meta.dirname, "../helpers/turn-clock.ts");
  const databaseUrl = await server.createDatabase();
  const { captured: url } = await dataDirectory().start({
    DATABASE_URL: databaseUrl,
    NODE_OPTIONS: `--import=${helper}`,
    TURNED_CLOCK: file,
  });
  const turn = async (ms: number): Promise<void> => {
    writeFileSync(file, String(ms));
    await pause(300);
  };
  return { url, databaseUrl, turn };
}

it.each([
  ["back", -HOUR_MS],
  ["forward", HOUR_MS],
])(
  "with the clock turned %s, limits, budgets, revocation and time limits hold",
  async (_way, by) => {
    const { url, databaseUrl, turn } = await startTurnable();
    const upstream = await startUpstream(completion({ content: "hi" }, { usage }));
    const make = (name: string, more = {}) =>
      adminCall<{ id: string; key: string }>(url, "/api-keys", {
        name,
        openaiBaseUrl: upstream.url,
        ...more,
      });
    const statusOf = async (key: string): Promise<number> => (await chat(url, key)).status;
    const [busy, poor, revoked] = [
      await make("busy", { requestsPerMinute: 2 }),
      await make("poor", { monthlyBudget: 1 }),
      await make("revoked"),
    ];
    const statuses = async () => [await statusOf(busy.key), await statusOf(poor.key)];
    expect(await statuses()).toEqual([200, 200]);
    expect(await statuses()).toEqual([200, 429]);
    expect(await statusOf(revoked.key)).toBe(200);

    await turn(by);
    // Long enough for what is on record to be read anew.
    for (let second = 0; second < 4; second++) {
      expect(await statuses()).toEqual([429, 429]);
      await pause(1000);
    }
    const signedIn = await adminCall<{ data: unknown[] }>(url, "/api-keys");
    expect(signedIn.data).toHaveLength(3);
    // It is turned indeed: turns are dated by it.
    const { data } = await adminCall<{ data: { createdAt: string }[] }>(url, "/conversations");
    const ages = data.map(({ createdAt }) => Date.now() - Date.parse(createdAt));
    expect(ages.filter((age) => Math.abs(age + by) < 60_000).length).toBeGreaterThan(0);
    // As another replica does it.
    const client = postgres(databaseUrl, { max: 1 });
    await client`update api_keys set is_active = false where id = ${revoked.id}`;
    await client.end({ timeout: 1 });
    await expect.poll(() => statusOf(revoked.key), { timeout: 5000 }).toBe(401);
  },
);

it.each([
  ["back", -HOUR_MS],
  ["forward", HOUR_MS],
])("with the clock turned %s while a tool runs, it has its own time", async (_way, by) => {
  const { url, turn } = await startTurnable();
  const tool = await adminCall<{ id: string; name: string }>(url, "/tools", {
    name: "slow",
    description: "takes its time",
    type: "function",
    timeoutMs: 4000,
    parameters: { type: "object", properties: { endless: { type: "boolean" } } },
    implementation: "for (let i = 0; args.endless || i < 3e6; i++); return 'done';",
  });
  const results: string[] = [];
  const upstream = await startUpstream((request, response) => {
    const { messages } = request.json() as { messages: { role: string; content: string }[] };
    const last = messages.at(-1);
    if (last?.role === "tool") {
      results.push(last.content);
      return completion({ content: "hi" })(request, response);
    }
    const calls = [{ endless: false }, { endless: true }].map((args, index) =>
      toolCall(`c${index}`, tool.name, args),
    );
    return completion({ tool_calls: [calls[last?.content === "endless" ? 1 : 0]] })(
      request,
      response,
    );
  });
  const { key } = await adminCall<{ key: string }>(url, "/api-keys", {
    name: "key",
    openaiBaseUrl: upstream.url,
    toolIds: [tool.id],
  });
  const began = performance.now();
  const running = chat(url, key, "endless");
  await pause(1000);
  await turn(by);
  expect((await running).status).toBe(200);
  expect(performance.now() - began).toBeGreaterThan(3900);
  expect(performance.now() - began).toBeLessThan(20_000);
  expect(results.splice(0)).toEqual([expect.stringContaining("4000 ms")]);
  expect((await chat(url, key, "short")).status).toBe(200);
  expect(results).toEqual([expect.stringContaining("done")]);
});
