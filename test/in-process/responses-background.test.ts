/** Many responses in the background at the same time. */
import { expect, it } from "vitest";
import { askFor, untilStatus } from "../helpers/background.ts";
import { keyWithAdder, postResponse } from "../helpers/response-turn.ts";
import { message, says } from "../helpers/responses-upstream.ts";

/** So many of one key are made at the same time. */
const MOST = 50;

it("of one key wait for one another, and another key's do not wait for them", async () => {
  const busy = await keyWithAdder(() => Array.from({ length: MOST + 3 }, () => () => {}));
  const other = await keyWithAdder(() => [says([message("Hello.")])]);
  const begin = async ({ key }: { key: string }): Promise<string> => {
    const answer = await postResponse({ key }, { input: "Hi", background: true });
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
  for (const id of ids) await askFor(busy, `${id}/cancel`, "POST");
});
