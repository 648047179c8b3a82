import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { ADMIN_PASSWORD } from "../helpers/settings.ts";
import { completion, json, startUpstream } from "../helpers/upstream.ts";

const listModels = (key: string) =>
  proxy
    .client(key)
    .models.list()
    .then(
      () => "ok",
      (thrown: unknown) => thrown,
    );

describe("proxy keys", () => {
  it("are refused with 401 in OpenAI's shape where they are missing, unknown or malformed", async () => {
    const answer = await fetch(`${proxy.url}/v1/models`);
    expect(answer.status).toBe(401);
    expect(await answer.json()).toEqual({
      error: {
        message: expect.any(String),
        type: "invalid_request_error",
        param: "authorization",
        code: "missing_api_key",
      },
    });
    for (const key of ["sk-proxy-unknown", "sk-something-else"]) {
      expect(await listModels(key)).toBeInstanceOf(OpenAI.AuthenticationError);
    }
  });

  it("stop working when they are switched off, deleted or expired", async () => {
    const upstream = await startUpstream(json({ object: "list", data: [] }));
    const off = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const deleted = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const expired = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const expiresAt = new Date(Date.now() - 1000).toISOString();
    await proxy.admin(`/api-keys/${expired.id}`, { method: "PATCH", json: { expiresAt } });
    expect(await listModels(off.key)).toBe("ok");
    expect(await listModels(deleted.key)).toBe("ok");
    expect(
      (await proxy.admin(`/api-keys/${off.id}`, { method: "PATCH", json: { isActive: false } }))
        .status,
    ).toBe(200);
    expect((await proxy.admin(`/api-keys/${deleted.id}`, { method: "DELETE" })).status).toBe(204);
    for (const { key } of [off, deleted, expired])
      expect(await listModels(key)).toBeInstanceOf(OpenAI.AuthenticationError);
    await proxy.admin(`/api-keys/${off.id}`, { method: "PATCH", json: { isActive: true } });
    expect(await listModels(off.key)).toBe("ok");
  });

  it("use their own upstream key", async () => {
    const upstream = await startUpstream(json({ object: "list", data: [] }));
    const { key } = await proxy.createKey({
      openaiBaseUrl: upstream.url,
      openaiApiKey: "sk-of-this-key",
    });
    expect(await listModels(key)).toBe("ok");
    expect(upstream.requests[0]?.headers["authorization"]).toBe("Bearer sk-of-this-key");
  });

  it("may use their allowed models only, on every endpoint that names one", async () => {
    const upstream = await startUpstream(completion({ content: "hi" }));
    const { key } = await proxy.createKey({
      openaiBaseUrl: upstream.url,
      allowedModels: ["small"],
    });
    const client = proxy.client(key);
    const messages = [{ role: "user" as const, content: "hi" }];
    expect(
      (await client.chat.completions.create({ model: "small", messages })).choices[0]?.message
        .content,
    ).toBe("hi");
    const refused = await Promise.allSettled([
      client.chat.completions.create({ model: "large", messages }),
      client.embeddings.create({ model: "large", input: "x" }),
      client.audio.transcriptions.create({ model: "large", file: new File(["x"], "x.mp3") }),
    ]);
    for (const attempt of refused)
      expect(attempt).toMatchObject({
        status: "rejected",
        reason: expect.any(OpenAI.PermissionDeniedError) as unknown,
      });
    expect(upstream.requests).toHaveLength(1);
  });
});

describe("everything else", () => {
  it("answers unknown paths with a JSON 404, and every answer names its request", async () => {
    for (const path of ["/nothing", "/api/nothing", "/api/admin/nothing"]) {
      const answer = await (path.startsWith("/api/admin")
        ? proxy.admin(path)
        : fetch(proxy.url + path));
      expect(answer.status, path).toBe(404);
      expect(await answer.json(), path).toEqual({
        error: {
          message: expect.any(String),
          type: "invalid_request_error",
          param: null,
          code: "not_found",
        },
      });
      expect(answer.headers.get("x-proxy-request-id"), path).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  it("tells the health of each part to the operator, and to strangers whether it can serve", async () => {
    const strangers = [
      {},
      { authorization: "Bearer sk-proxy-x" },
      { cookie: "admin_session=x.y.z" },
    ];
    for (const headers of strangers) {
      const answer = await fetch(`${proxy.url}/health`, { headers });
      expect(answer.status).toBe(200);
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
      expect(await answer.json()).toEqual({ status: expect.stringMatching(/^ok|degraded$/) });
    }
    const signedIn = await proxy.admin("/login", { json: { password: ADMIN_PASSWORD } });
    const { token } = (await signedIn.json()) as { token: string };
    const cookie = `admin_session=${token}`;
    const page = await fetch(`${proxy.url}/health`, { headers: { cookie } });
    expect(await page.json()).toHaveProperty("parts.database.status", "ok");
    const headers = { authorization: `Bearer ${token}` };
    const answer = await fetch(`${proxy.url}/health`, { headers });
    expect(answer.status).toBe(200);
    const body = (await answer.json()) as {
      status: string;
      parts: Record<string, { status: string }>;
    };
    expect(["ok", "degraded"]).toContain(body.status);
    expect(body.parts).toMatchObject({
      database: { status: "ok" },
      upstream: { status: "ok" },
      sidecar: { status: "ok" },
    });
  });
});
