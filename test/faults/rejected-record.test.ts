import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { expect, it, onTestFinished } from "vitest";
import { adminCall, dataDirectory } from "../helpers/own-proxy.ts";
import { startPostgres } from "../helpers/postgres-server.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

it("a record that the database never takes stays in a file, without content where the key logs metadata only", async () => {
  const upstream = await startUpstream(completion({ content: "a secret answer" }));
  const server = await startPostgres();
  onTestFinished(() => server.stop());
  const url = await server.createDatabase();
  const directory = dataDirectory();
  const proxy = await directory.start({ DATABASE_URL: url });
  const client = postgres(url, { max: 1, onnotice: () => undefined });
  await client.unsafe(`
    create function refuse() returns trigger language plpgsql as
      $$ begin raise exception 'never' using errcode = '23514'; end $$;
    create trigger refuse before insert on conversations execute function refuse();`);
  await client.end({ timeout: 1 });
  const lines = () => {
    const path = join(directory.path, "rejected.ndjson");
    return existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : [];
  };
  const body = JSON.stringify({
    model: "gpt-test",
    messages: [{ role: "user", content: "a secret question" }],
  });
  for (const [index, logContent] of ["full", "metadata"].entries()) {
    const fields = { name: logContent, logContent, openaiBaseUrl: upstream.url };
    const { key } = await adminCall<{ key: string }>(proxy.captured, "/api-keys", fields);
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const asked = { method: "POST", headers, body };
    expect((await fetch(`${proxy.captured}/v1/chat/completions`, asked)).status).toBe(200);
    await expect.poll(() => lines().length, { timeout: 15_000 }).toBe(index + 1);
  }
  const [full, metadata] = lines();
  expect(full).toContain("a secret question");
  expect(full).toContain("a secret answer");
  expect(metadata).not.toContain("secret");
  expect(metadata).toContain("conversationId");
});

it("a record that is nested as deep as nobody reads is on record, with what can be read of it", async () => {
  const upstream = await startUpstream(completion({ content: "an answer" }));
  const directory = dataDirectory();
  const proxy = await directory.start();
  const nested = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
  const body = `{"model":"gpt-test","messages":[{"role":"user","content":"a question"}],"x":${nested}}`;
  const fields = { name: "deep", openaiBaseUrl: upstream.url };
  const { key } = await adminCall<{ key: string }>(proxy.captured, "/api-keys", fields);
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const asked = { method: "POST", headers, body };
  const answer = await fetch(`${proxy.captured}/v1/chat/completions`, asked);
  expect(answer.status).toBe(200);
  const id = answer.headers.get("x-proxy-conversation-id");
  type Conversation = { status: string; messages: { content: unknown }[] };
  const found = () =>
    adminCall<Conversation>(proxy.captured, `/conversations/${id}`).catch(() => null);
  await expect.poll(async () => (await found())?.status).toBe("completed");
  const contents = (await found())?.messages.map(({ content }) => content);
  expect(contents).toContain("an answer");
  expect(existsSync(join(directory.path, "rejected.ndjson"))).toBe(false);
});
