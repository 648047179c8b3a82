/**
 * Responses in the background where the runtime ends what nobody waits for: upstream makes them.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { here, proxy } from "../helpers/proxy.ts";
import { keyWithAdder, postResponse, sentBody, sentInput } from "../helpers/response-turn.ts";
import { message, says } from "../helpers/responses-upstream.ts";
import { json, startUpstream } from "../helpers/upstream.ts";

/** In this process, the runtime is as workerd is. */
const outlives = (does: boolean) => {
  if (here.inProcess !== undefined) here.inProcess.platform.outlivesRequests = does;
};
beforeAll(() => outlives(false));
afterAll(() => outlives(true));

it("passes a request on that is made in the background", async () => {
  const queued = { id: "resp_background", object: "response", status: "queued", output: [] };
  const key = await keyWithAdder(() => [json(queued), says([message("And then.")])]);
  const body = { input: "2+3?", background: true };
  const answer = await postResponse(key, body);
  expect(await answer.json()).toEqual(queued);
  expect(key.upstream.requests[0]?.json()).toMatchObject(body);
  expect(key.upstream.requests[0]?.json()).not.toHaveProperty("tools");
  // What upstream makes on its own it goes on from itself.
  const more = { previous_response_id: "resp_background", input: "And then?" };
  const { id } = (await (await postResponse(key, more)).json()) as { id: string };
  expect(key.upstream.requests[1]?.json()).toMatchObject(more);
  await (await postResponse(key, { previous_response_id: id, input: "?" })).text();
  expect(sentBody(key.upstream, 2)["previous_response_id"]).toBe("resp_background");
  const roles = sentInput(key.upstream, 2).map(({ role }) => role);
  expect(roles).toEqual(["user", "assistant", "user"]);
});

it("is a 400 where upstream speaks chat completions, which have nothing like it", async () => {
  const upstream = await startUpstream();
  const fields = { openaiBaseUrl: upstream.url, upstreamDialect: "chat" };
  const { key } = await proxy.createKey(fields);
  const answer = await postResponse({ key }, { input: "Hi", background: true });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ error: { param: "background" } });
  expect(upstream.requests).toEqual([]);
});
