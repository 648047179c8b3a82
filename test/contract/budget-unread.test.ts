/** A request that is passed on unread is taken from the budget of its key all the same. */
import { expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { json, startUpstream } from "../helpers/upstream.ts";

/** Tokens that cost far more than a dollar, by any price. */
const usage = { input_tokens: 2e9, output_tokens: 2e9, total_tokens: 4e9 };
const MODEL = "gpt-4o-mini-transcribe";

/** A form that is passed on as bytes, or, with a file of this size before the model, as a stream. */
function form(fileBytes: number): FormData {
  const data = new FormData();
  data.set("file", new Blob([new Uint8Array(fileBytes).fill(0x22)]), "a.mp3");
  data.set("model", MODEL);
  return data;
}

const streamOf = (text: string) => new Blob([text]).stream();

const UNREAD: [string, string, object, () => RequestInit][] = [
  ["a small form", "/v1/audio/transcriptions", {}, () => ({ body: form(10) })],
  ["a form with a large file", "/v1/audio/transcriptions", {}, () => ({ body: form(900_000) })],
  [
    "a body of unknown length, whose answer names the model",
    "/v1/responses",
    { model: "gpt-4o-mini" },
    () => ({ body: streamOf('{"model":"gpt-4o-mini","input":"hello"}'), duplex: "half" }),
  ],
  [
    "a body of unknown length on an endpoint that nobody knows",
    "/v1/nobody/knows",
    { model: "gpt-4o-mini" },
    () => ({ body: streamOf('{"model":"gpt-4o-mini"}'), duplex: "half" }),
  ],
];

it.each(UNREAD)("%s costs what it costs", async (_name, path, named, init) => {
  const upstream = await startUpstream(json({ ...named, text: "hello", usage }));
  const { id, key } = await proxy.createKey({
    openaiBaseUrl: upstream.url,
    openaiApiKey: "sk-test",
    monthlyBudget: 1,
  });
  const send = () =>
    fetch(`${proxy.url}${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}` },
      ...init(),
    });
  const first = await send();
  expect(first.status, await first.clone().text()).toBe(200);
  await first.body?.cancel();
  const record = await proxy.conversation(first.headers.get("x-proxy-conversation-id") ?? "");
  expect(record, id).toMatchObject({ model: expect.stringContaining("gpt-4o-mini") as string });
  expect((record as unknown as { cost: number }).cost).toBeGreaterThan(1);
  const second = await send();
  expect(second.status, await second.text()).toBe(429);
});
