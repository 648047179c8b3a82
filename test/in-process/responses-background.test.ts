/** Many responses in the background at the same time. */
import { expect, it } from "vitest";
import { askFor, untilStatus } from "../helpers/background.ts";
import { keyWithAdder, postResponse } from "../helpers/response-turn.ts";
import { message, says } from "../helpers/responses-upstream.ts";

/** So many of one key are made at the same time. */
const MOST = 50;

const BODY = { input: "Hi", background: true, max_output_tokens: 1000 };
/** As many as are begun fit into a minute, and then a large one, if nothing is held any more. */
const LIMITED = { tokensPerMinute: 60_000 };

it("of one key wait for one another, and another key's do not wait for them", async () => {
  const held = Array.from({ length: MOST + 2 }, () => () => {});
  const busy = await keyWithAdder(() => [...held, says([message("Hello.")])], LIMITED);
  const other = await keyWithAdder(() => [says([message("Hello.")])]);
  const begin = async ({ key }: { key: string }): Promise<string> => {
    const answer = await postResponse({ key }, BODY);
    return ((await answer.json()) as { id: string }).id;
  };
  const ids: string[] = [];
  for (let count = 0; count < MOST + 3; count++) ids.push(await begin(busy));
  await expect.poll(() => busy.upstream.requests.length).toBe(MOST);
  await untilStatus(other, await begin(other), "completed");
  await untilStatus(busy, ids.at(-1) ?? "", "queued");
  expect((await askFor(busy, `${ids.at(-1)}/cancel`, "POST")).status).toBe(200);
  for (const id of ids.slice(0, 2)) await askFor(busy, `${id}/cancel`, "POST");
  await expect.poll(() => busy.upstream.requests.length, { timeout: 8000 }).toBe(MOST + 2);
  await Promise.all(ids.map((id) => askFor(busy, `${id}/cancel`, "POST")));
  const large = await postResponse(busy, { input: "Hi", max_output_tokens: 58_000 });
  expect(large.status, await large.text()).toBe(200);
});
