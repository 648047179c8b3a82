import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { startRecorder } from "../helpers/recorded.ts";
import { completion } from "../helpers/upstream.ts";

const linesOf = (text: string) =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { id: string; messages: unknown[] });

describe("the export of conversations", () => {
  it("has one conversation a line, each as its own page shows it, newest first", async () => {
    const { keyId, converse } = await startRecorder(
      {},
      completion({ content: "line one\nline two\u2028 \0" }),
    );
    const ids = [
      await converse("one"),
      await converse("two"),
      await converse("three"),
    ].toReversed();
    const answer = await proxy.admin(`/conversations/export?apiKeyId=${keyId}`);
    expect(answer.headers.get("content-type")).toMatch(/^application\/x-ndjson/);
    expect(answer.headers.get("content-disposition")).toContain(".jsonl");
    const lines = linesOf(await answer.text());
    expect(lines.map(({ id }) => id)).toEqual(ids);
    for (const line of lines)
      expect(line).toEqual(await (await proxy.admin(`/conversations/${line.id}`)).json());
  });

  it("has those that the filter finds, or nothing", async () => {
    const { keyId, converse } = await startRecorder({}, completion({ content: "hello" }));
    const id = await converse("one", { model: "model-a" });
    await converse("two", { model: "model-b" });
    const exported = async (query: string) =>
      linesOf(
        await (await proxy.admin(`/conversations/export?apiKeyId=${keyId}&${query}`)).text(),
      ).map((line) => line.id);
    expect(await exported("model=model-a&q=one")).toEqual([id]);
    expect(await exported("status=failed")).toEqual([]);
  });

  it("goes through all pages, at the pace of whoever reads it, and ends with them", async () => {
    const { keyId, ask, converse } = await startRecorder(
      {},
      completion({ content: "x".repeat(100_000) }),
    );
    const count = 60;
    for (let index = 0; index < count; index++) await ask(`question ${index}`);
    await converse("the last one");
    const whole = async () =>
      linesOf(await (await proxy.admin(`/conversations/export?apiKeyId=${keyId}`)).text()).map(
        ({ id }) => id,
      );
    await expect.poll(async () => new Set(await whole()).size, { timeout: 20_000 }).toBe(count + 1);
    // Someone who goes away in the middle: the proxy goes on serving others.
    const leaving = await proxy.admin(`/conversations/export?apiKeyId=${keyId}`);
    const reader = leaving.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    expect((await whole()).length).toBe(count + 1);
  });

  it("is refused before it begins where the filter cannot be", async () => {
    const answer = await proxy.admin("/conversations/export?from=yesterday");
    expect([
      answer.status,
      ((await answer.json()) as { error: { param: string } }).error.param,
    ]).toEqual([400, "from"]);
  });

  it("is the operator's alone", async () => {
    expect((await fetch(`${proxy.url}/api/admin/conversations/export`)).status).toBe(401);
  });
});
