import { expect, it } from "vitest";
import { ask, post } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

it("a busy key's turns are all on record soon, and hold up nobody's connection to the database", async () => {
  const upstream = await startUpstream(completion({ content: "hi" }));
  const { id, key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
  const statuses: number[] = [];
  for (let round = 0; round < 10; round++) {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => post(key, ask({ user: crypto.randomUUID() }))),
    );
    for (const answer of answers) {
      statuses.push(answer.status);
      await answer.text();
    }
  }
  expect(new Set(statuses)).toEqual(new Set([200]));
  const requests = async () => {
    const { totals } = (await (await proxy.admin("/stats?groupBy=key")).json()) as {
      totals: { group: string; requests: number }[];
    };
    return totals.find(({ group }) => group === id)?.requests;
  };
  await expect.poll(requests, { timeout: 20_000 }).toBe(100);
});
