/**
 * Histories with answers that no turn ended with: examples in a prompt, greetings that an
 * application wrote itself.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { openDatabaseWire } from "../helpers/cuttable-database.ts";
import { adminCall, dataDirectory } from "../helpers/own-proxy.ts";
import { startPostgres } from "../helpers/postgres-server.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

let postgres: Awaited<ReturnType<typeof startPostgres>>;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

it("Examples in a prompt cost one question to the database, and not one for each request", async () => {
  const wire = await openDatabaseWire(await postgres.createDatabase());
  const { captured: url } = await dataDirectory().start({ DATABASE_URL: wire.url });
  const upstream = await startUpstream(
    ...Array.from({ length: 4 }, () => completion({ content: "Rome." })),
  );
  const { key } = await adminCall<{ key: string }>(url, "/api-keys", {
    name: "an application",
    openaiBaseUrl: upstream.url,
  });
  const examples = [
    { role: "user", content: "Capital of France?" },
    { role: "assistant", content: "Paris." },
  ];
  const ask = async (content: string): Promise<number> => {
    const startedAt = performance.now();
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({
        model: "gpt-test",
        messages: [...examples, { role: "user", content }],
      }),
    });
    expect(answer.status).toBe(200);
    await answer.text();
    return performance.now() - startedAt;
  };
  await ask("Capital of Italy?");
  // A database that says nothing would be waited for for 300 ms.
  wire.stall();
  expect(await ask("And of Spain?")).toBeLessThan(200);
  wire.mend();
  wire.close();
});
