/**
 * One chat through several replicas: each knows at once only what it answered itself, and the
 * database a little later.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminCall } from "../helpers/own-proxy.ts";
import { startReplicas, type Replicas } from "../helpers/replicas.ts";
import { completion, startUpstream, type Answer } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

let started: Replicas<"a" | "b" | "workerd">;
beforeAll(async () => {
  started = await startReplicas({
    a: { runtime: "node" },
    b: { runtime: "node" },
    workerd: { runtime: "workerd" },
  });
});
afterAll(() => started.stop());

const counting: Answer = (request, response) =>
  completion({ content: `answer to ${(request.json()["messages"] as Json[]).length}` })(
    request,
    response,
  );

interface Detail {
  id: string;
  turnCount: number;
  messages: { content: unknown }[];
  branches: unknown[];
}

describe("a chat through several replicas", () => {
  it("is one conversation, by every id that its client was told", async () => {
    const upstream = await startUpstream(counting);
    const urls = [started.at.a.url, started.at.b.url, started.at.workerd.url];
    const { key } = await adminCall<{ key: string }>(urls[0] ?? "", "/api-keys", {
      name: "travelling",
      openaiBaseUrl: upstream.url,
    });
    const history: Json[] = [];
    const told: string[] = [];
    for (let turn = 0; turn < 9; turn++) {
      history.push({ role: "user", content: `question ${turn}` });
      const response = await fetch(`${urls[turn % 3]}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify({ model: "gpt-test", messages: history }),
      });
      told.push(response.headers.get("x-proxy-conversation-id") ?? "");
      const { choices } = (await response.json()) as { choices: { message: Json }[] };
      history.push(choices[0]?.message ?? {});
    }
    const read = (id: string) => adminCall<Detail>(urls[0] ?? "", `/conversations/${id}`);
    await expect
      .poll(async () => (await read(told[0] ?? "")).turnCount, { timeout: 15_000 })
      .toBe(9);
    const details = await Promise.all(told.map(read));
    expect(new Set(details.map(({ id }) => id)).size).toBe(1);
    expect(details[0]?.messages.map(({ content }) => content)).toEqual(
      history.map(({ content }) => content),
    );
    expect(details[0]?.branches).toEqual([]);
  });
});
