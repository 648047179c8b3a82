/** What the proxy refused, and what is no conversation, on record and in figures. */
import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { completion, json, startUpstream } from "../helpers/upstream.ts";

interface Row {
  id: string;
  endpoint: string;
  kind: string;
  status: string;
  model: string | null;
  error: string | null;
  errorCode: string | null;
  apiKeyName: string;
}

async function rowsOf(filter: Record<string, string>): Promise<Row[]> {
  const answer = await proxy.admin(`/conversations?${new URLSearchParams(filter)}`);
  return ((await answer.json()) as { data: Row[] }).data;
}

const send = (key: string, path: string, body: unknown): Promise<Response> =>
  fetch(`${proxy.url}${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });

async function figuresOf(apiKeyId: string, groupBy = "none") {
  const answer = await proxy.admin(`/stats?apiKeyId=${apiKeyId}&groupBy=${groupBy}`);
  return ((await answer.json()) as { totals: Record<string, unknown>[] }).totals;
}

describe("a refused request", () => {
  it("is on record with its reason, counts in statistics, and takes nothing from the limit", async () => {
    const upstream = await startUpstream(completion({ content: "hello" }));
    const { id, key } = await proxy.createKey({
      openaiBaseUrl: upstream.url,
      allowedModels: ["model-a"],
      requestsPerMinute: 2,
    });
    const statuses: number[] = [];
    for (const model of ["model-b", "model-a", "model-a", "model-a"]) {
      const messages = [{ role: "user", content: `ask ${statuses.length}` }];
      const response = await send(key, "/v1/chat/completions", { model, messages });
      await response.text();
      expect(response.headers.get("x-proxy-request-id")).not.toBeNull();
      statuses.push(response.status);
    }
    expect(statuses).toEqual([403, 200, 200, 429]);
    await expect.poll(() => rowsOf({ apiKeyId: id }), { timeout: 15_000 }).toHaveLength(4);
    const refused = await rowsOf({ apiKeyId: id, status: "refused" });
    expect(refused).toMatchObject([
      { kind: "conversation", errorCode: "rate_limit_exceeded", model: "model-a" },
      { kind: "conversation", errorCode: "model_not_allowed", model: "model-b" },
    ]);
    for (const { error, apiKeyName } of refused)
      expect([typeof error, apiKeyName]).toEqual(["string", "a key for tests"]);
    expect(await rowsOf({ apiKeyId: id, status: "completed" })).toHaveLength(2);
    expect(await figuresOf(id)).toMatchObject([{ requests: 4, refused: 2, failed: 0 }]);
  });

  it("is one whatever was asked for: embeddings, images, a file", async () => {
    const upstream = await startUpstream(json({ object: "list", data: [] }));
    const { id, key } = await proxy.createKey({
      openaiBaseUrl: upstream.url,
      allowedModels: ["model-a"],
    });
    const asked = ["/v1/embeddings", "/v1/images/generations", "/v1/moderations"];
    for (const path of asked) {
      const response = await send(key, path, { model: "model-b", input: "x", prompt: "x" });
      expect(response.status, await response.text()).toBe(403);
      const named = response.headers.get("x-proxy-conversation-id") ?? "";
      expect(await proxy.conversation(named)).toMatchObject({ endpoint: path, status: "refused" });
    }
    const find = () => rowsOf({ apiKeyId: id, status: "refused", kind: "request" });
    await expect.poll(find, { timeout: 15_000 }).toHaveLength(3);
    expect((await find()).map(({ endpoint }) => endpoint)).toEqual(asked.toReversed());
    expect((await find()).map(({ model }) => model)).toEqual(["model-b", "model-b", "model-b"]);
    expect(await rowsOf({ apiKeyId: id, kind: "conversation" })).toEqual([]);
    expect(upstream.requests).toEqual([]);
  });
});

describe("a request of its own", () => {
  it("is found by its path, and by the path's group as statistics have it", async () => {
    const upstream = await startUpstream(json({ id: "file-1", object: "file" }));
    const { id, key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    for (const path of ["/v1/files/file-1", "/v1/files/file-2", "/v1/files/file-1/content"]) {
      const headers = { authorization: `Bearer ${key}` };
      await (await fetch(`${proxy.url}${path}`, { headers })).text();
    }
    const find = (endpoint: string) => rowsOf({ apiKeyId: id, endpoint });
    await expect.poll(() => rowsOf({ apiKeyId: id }), { timeout: 15_000 }).toHaveLength(3);
    expect(await find("/v1/files/file-2")).toMatchObject([{ endpoint: "/v1/files/file-2" }]);
    expect(await find("/v1/files/{id}")).toHaveLength(2);
    expect(await find("/v1/files")).toEqual([]);
    const groups = (await figuresOf(id, "endpoint")).map(({ group }) => group);
    expect(groups.map(String).toSorted()).toEqual(["/v1/files/{id}", "/v1/files/{id}/content"]);
  });
});

it("that is over a limit of its key is on record with its model, whatever the endpoint", async () => {
  const upstream = await startUpstream(json({ object: "list", data: [] }));
  const { id, key } = await proxy.createKey({ openaiBaseUrl: upstream.url, requestsPerMinute: 1 });
  const form = new FormData();
  form.set("model", "model-c");
  const sendForm = () =>
    fetch(`${proxy.url}/v1/audio/transcriptions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}` },
      body: form,
    });
  const asks = [
    () => send(key, "/v1/moderations", { model: "model-a", input: "x" }),
    () => send(key, "/v1/responses", { model: "model-b", input: "x" }),
    sendForm,
  ];
  for (const ask of asks) await (await ask()).text();
  const find = () => rowsOf({ apiKeyId: id, status: "refused" });
  await expect.poll(find, { timeout: 15_000 }).toHaveLength(2);
  expect((await find()).map(({ model }) => model)).toEqual(["model-c", "model-b"]);
});
