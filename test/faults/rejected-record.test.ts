import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { adminCall, dataDirectory } from "../helpers/own-proxy.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

it("a record that the database never takes stays in a file, without content where the key logs metadata only", async () => {
  const upstream = await startUpstream(completion({ content: "a secret answer" }));
  const directory = dataDirectory();
  const proxy = await directory.start();
  const nested = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
  const body = `{"model":"gpt-test","messages":[{"role":"user","content":"a secret question"}],"x":${nested},"messages":[{"role":"user","content":${nested}}]}`;
  const lines = () => {
    const path = join(directory.path, "rejected.ndjson");
    return existsSync(path) ? readFileSync(path, "utf8").trimEnd().split("\n") : [];
  };
  for (const [index, logContent] of ["full", "metadata"].entries()) {
    const fields = { name: logContent, logContent, openaiBaseUrl: upstream.url };
    const { key } = await adminCall<{ key: string }>(proxy.captured, "/api-keys", fields);
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    expect(
      (await fetch(`${proxy.captured}/v1/chat/completions`, { method: "POST", headers, body }))
        .status,
    ).toBe(200);
    await expect.poll(() => lines().length, { timeout: 10_000 }).toBe(index + 1);
  }
  const [full, metadata] = lines();
  expect(full).toContain("a secret question");
  expect(full).toContain("a secret answer");
  expect(metadata).not.toContain("secret");
  expect(metadata).toContain("conversationId");
});
