import { expect, it } from "vitest";
import { CLOSINGS, expectEarlyAnswers, hastyUpstream } from "../helpers/hasty-upstream.ts";
import { proxy } from "../helpers/proxy.ts";

it("an answer that upstream gives before the request has ended is that answer, not a 502", async () => {
  const openaiBaseUrl = await hastyUpstream(CLOSINGS["closes it in order"]);
  const { key } = await proxy.createKey({ openaiBaseUrl });
  expect(key).toMatch(/^sk-proxy-/);
  await expectEarlyAnswers(proxy.url, key);
});
