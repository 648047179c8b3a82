import { expect, it } from "vitest";
import { ask, post } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

it("a request that is nested too deeply to be recorded holds up no other record", async () => {
  const upstream = await startUpstream(completion({ content: "hello" }));
  const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const body = `{"model":"gpt-test","messages":[{"role":"user","content":${"[".repeat(50_000)}${"]".repeat(50_000)}}]}`;
  const deep = await fetch(`${proxy.url}/v1/chat/completions`, { method: "POST", headers, body });
  expect(deep.status, await deep.text()).toBe(200);
  const plain = await post(key, ask());
  expect(plain.status, await plain.text()).toBe(200);
  const conversation = await proxy.conversation(plain.headers.get("x-proxy-conversation-id") ?? "");
  expect(conversation.status).toBe("completed");
});
