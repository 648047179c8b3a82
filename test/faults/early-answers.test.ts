import { expect, it } from "vitest";
import { CLOSINGS, expectEarlyAnswers, hastyUpstream } from "../helpers/hasty-upstream.ts";
import { adminCall, dataDirectory } from "../helpers/own-proxy.ts";

// Not on workerd: where a connection breaks, its runtime keeps the status and loses the body.

it("an early answer is that answer, however upstream closes behind it", async () => {
  const { captured: url } = await dataDirectory().start();
  const closings = Object.values(CLOSINGS);
  expect(closings).toHaveLength(4);
  for (const close of closings) {
    const fields = { name: "a key", openaiBaseUrl: await hastyUpstream(close) };
    const { key } = await adminCall<{ key: string }>(url, "/api-keys", fields);
    await expectEarlyAnswers(url, key);
  }
});
