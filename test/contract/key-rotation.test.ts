import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { ask, MODEL, post } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

interface Key {
  id: string;
  key: string;
  keyPrefix: string;
  keySuffix: string;
  previousExpiresAt: string | null;
  lastUsedAt: string | null;
  [field: string]: unknown;
}

async function newKey(fields: Record<string, unknown> = {}): Promise<Key> {
  const upstream = await startUpstream(completion({ content: "hi" }));
  return (await proxy.createKey({ openaiBaseUrl: upstream.url, ...fields })) as Key;
}

const read = async (id: string) => (await (await proxy.admin(`/api-keys/${id}`)).json()) as Key;
const rotate = (id: string, json: unknown = {}) => proxy.admin(`/api-keys/${id}/rotate`, { json });

async function rotated(id: string, overlapSeconds?: number): Promise<Key> {
  const answer = await rotate(id, overlapSeconds === undefined ? {} : { overlapSeconds });
  expect(answer.status).toBe(200);
  return (await answer.json()) as Key;
}

/** What the official client gets with a key. */
const attempt = (key: string) =>
  proxy
    .client(key)
    .chat.completions.create(ask() as never)
    .then(
      () => "ok",
      (error: unknown) => error,
    );

describe("a rotation", () => {
  it("gives the key a new secret, which is shown this once; the old one is accepted for a day", async () => {
    const {
      key: old,
      updatedAt: _old,
      ...before
    } = await newKey({ name: "rotated", allowedModels: [MODEL], requestsPerMinute: 100 });
    const { key, updatedAt: _new, ...after } = await rotated(before.id);
    expect(key).toMatch(/^sk-proxy-[A-Za-z0-9_-]{43}$/);
    expect(key).not.toBe(old);
    expect(after).toEqual({
      ...before,
      keyPrefix: key.slice(0, 16),
      keySuffix: key.slice(-4),
      previousExpiresAt: after.previousExpiresAt,
    });
    expect(
      Math.abs(Date.parse(after.previousExpiresAt ?? "") - Date.now() - 86_400_000),
    ).toBeLessThan(60_000);
    const shown = await read(before.id);
    expect(shown).toMatchObject({
      previousExpiresAt: after.previousExpiresAt,
      keyPrefix: after.keyPrefix,
    });
    expect(JSON.stringify(shown)).not.toContain(key);
    for (const secret of [old, key]) expect(await attempt(secret)).toBe("ok");
  });

  it("ends the old key when the overlap is over, with an error that says so", async () => {
    const { id, key: old } = await newKey();
    const { key } = await rotated(id, 2);
    expect(await attempt(old)).toBe("ok");
    await new Promise((resolve) => setTimeout(resolve, 2100));
    const error = await attempt(old);
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError);
    expect(error).toMatchObject({
      code: "expired_api_key",
      message: expect.stringContaining("replaced by a new one") as string,
    });
    expect(await attempt(key)).toBe("ok");
    expect((await read(id)).previousExpiresAt).toBe(null);
  });

  it("without overlap ends the old key at once", async () => {
    const { id, key: old } = await newKey();
    expect(await attempt(old)).toBe("ok");
    const { key, previousExpiresAt } = await rotated(id, 0);
    expect(previousExpiresAt).toBe(null);
    expect(await attempt(old)).toBeInstanceOf(OpenAI.AuthenticationError);
    expect(await attempt(key)).toBe("ok");
  });

  it("that follows another ends the key before the last: there are never more than two", async () => {
    const { id, key: first } = await newKey();
    const { key: second } = await rotated(id, 3600);
    const { key: third } = await rotated(id, 3600);
    expect(await attempt(first)).toBeInstanceOf(OpenAI.AuthenticationError);
    for (const secret of [second, third]) expect(await attempt(secret)).toBe("ok");
  });

  it("of a key that is off or has limits changes nothing of that: both secrets are one key", async () => {
    const { id, key: old } = await newKey({ requestsPerMinute: 2 });
    const { key } = await rotated(id);
    for (const secret of [old, key]) expect(await attempt(secret)).toBe("ok");
    for (const secret of [old, key])
      expect(await attempt(secret)).toBeInstanceOf(OpenAI.RateLimitError);
    await proxy.admin(`/api-keys/${id}`, { method: "PATCH", json: { isActive: false } });
    for (const secret of [old, key])
      expect(await attempt(secret)).toBeInstanceOf(OpenAI.AuthenticationError);
  });

  it("is refused for a key that is not there, and with an overlap that cannot be", async () => {
    expect((await rotate("00000000-0000-7000-8000-000000000000")).status).toBe(404);
    expect((await rotate("x")).status).toBe(404);
    const { id, key } = await newKey();
    for (const overlapSeconds of [-1, 2_592_001, 1.5, "1", null]) {
      const answer = await rotate(id, { overlapSeconds });
      expect(await answer.json()).toMatchObject({
        error: { code: "invalid_value", param: "overlapSeconds" },
      });
    }
    expect(await attempt(key)).toBe("ok");
  });
});

describe("the last use of a key", () => {
  it("is known soon after, and noted once a minute at most", async () => {
    const { id, key } = await newKey();
    expect((await read(id)).lastUsedAt).toBe(null);
    const before = Date.now();
    expect((await post(key, ask())).status).toBe(200);
    await expect
      .poll(async () => (await read(id)).lastUsedAt, { timeout: 10_000, interval: 200 })
      .not.toBe(null);
    const { lastUsedAt, updatedAt, createdAt } = await read(id);
    expect(Math.abs(Date.parse(lastUsedAt ?? "") - before)).toBeLessThan(5000);
    expect(updatedAt).toBe(createdAt);
    expect((await post(key, ask())).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect((await read(id)).lastUsedAt).toBe(lastUsedAt);
  });

  it("is not that of a refused request", async () => {
    const { id, key } = await newKey({ isActive: false });
    expect((await post(key, ask())).status).toBe(401);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect((await read(id)).lastUsedAt).toBe(null);
  });
});

describe("the preview of a key's tools", () => {
  it("is what the model sees, character by character, with its tokens", async () => {
    const parameters = {
      type: "object",
      properties: { city: { type: "string", description: "Name of the city" } },
      required: ["city"],
    };
    const weather = {
      type: "function",
      description: "Weather now",
      parameters,
      implementation: "return args.city;",
    };
    const made = [
      await proxy.createTool({ name: "weather", ...weather }),
      await proxy.createTool({ name: "clock", ...weather, description: "" }),
    ];
    const off = await proxy.createTool({ name: "off", ...weather, isActive: false });
    const upstream = await startUpstream(completion({ content: "hi" }));
    const { id, key } = await newKey({
      openaiBaseUrl: upstream.url,
      toolIds: [...made, off].map((tool) => tool.id),
    });
    expect((await post(key, ask())).status).toBe(200);
    const answer = await proxy.admin(`/api-keys/${id}/preview`);
    expect(answer.status).toBe(200);
    const preview = (await answer.json()) as {
      tools: { name: string; tokens: number; text: string }[];
      tokens: number;
    };
    const names = made.map(({ name }) => name).toSorted();
    expect(preview.tools).toEqual(
      names.map((name) => ({
        name,
        type: "function",
        description: name.startsWith("w") ? "Weather now" : "",
        tokens: expect.any(Number),
        text: expect.any(String),
      })),
    );
    expect(`[${preview.tools.map(({ text }) => text).join(",")}]`).toBe(
      JSON.stringify(upstream.requests[0]?.json()["tools"]),
    );
    const sum = preview.tools.reduce((total, { tokens }) => total + tokens, 0);
    expect(preview.tools.every(({ tokens }) => tokens > 10 && tokens < 60)).toBe(true);
    expect(preview.tokens).toBeGreaterThan(sum);
    expect(preview.tokens).toBeLessThan(sum + 20);
  });

  it("of a key without tools is empty, and of no key a 404", async () => {
    const { id } = await newKey();
    expect(await (await proxy.admin(`/api-keys/${id}/preview`)).json()).toEqual({
      tools: [],
      tokens: 0,
    });
    expect(
      (await proxy.admin("/api-keys/00000000-0000-7000-8000-000000000000/preview")).status,
    ).toBe(404);
  });
});
