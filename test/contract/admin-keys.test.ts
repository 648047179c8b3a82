import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";

interface Key {
  id: string;
  key?: string;
  keyPrefix: string;
  name: string;
  toolIds: string[];
  [field: string]: unknown;
}

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const NOBODY = "00000000-0000-7000-8000-000000000000";

const create = async (fields: Record<string, unknown> = {}) =>
  (await proxy.createKey(fields)) as unknown as Key;
const read = async (id: string) => (await (await proxy.admin(`/api-keys/${id}`)).json()) as Key;
const patch = (id: string, json: unknown) =>
  proxy.admin(`/api-keys/${id}`, { method: "PATCH", json });

async function tools(count: number): Promise<string[]> {
  const made: string[] = [];
  for (let index = 0; index < count; index++)
    made.push(
      (await proxy.createTool({ name: "tool", type: "function", implementation: "return 1;" })).id,
    );
  return made;
}

async function refusal(
  answer: Response,
): Promise<{ status: number; code: string; param: string | null; message: string }> {
  const { error } = (await answer.json()) as {
    error: { code: string; param: string | null; message: string; type: string };
  };
  expect(Object.keys(error).toSorted()).toEqual(["code", "message", "param", "type"]);
  return { status: answer.status, ...error };
}

describe("an API key", () => {
  it("is shown once, when it is made, with its prefix", async () => {
    const toolIds = await tools(2);
    const made = await create({ name: "  for the shop ", toolIds });
    expect(made).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      key: expect.stringMatching(/^sk-proxy-[A-Za-z0-9_-]{43}$/),
      keyPrefix: made.key?.slice(0, 16),
      keySuffix: made.key?.slice(-4),
      name: "for the shop",
      isActive: true,
      toolIds,
      expiresAt: null,
      hasOpenaiApiKey: false,
      openaiBaseUrl: null,
      upstreamDialect: null,
      allowedModels: null,
      toolMemory: true,
      toolMaxRounds: null,
      logContent: "full",
      requestsPerMinute: null,
      tokensPerMinute: null,
      monthlyBudget: null,
      answerCacheSeconds: null,
      unpriced: "allow",
      lastUsedAt: null,
      previousExpiresAt: null,
      spend: { month: 0 },
      createdAt: expect.stringMatching(ISO),
      updatedAt: expect.stringMatching(ISO),
    });
    const { key: _key, ...rest } = made;
    expect(await read(made.id)).toEqual(rest);
    expect((await create()).key).not.toBe(made.key);
  });

  it("keeps its upstream key to itself", async () => {
    const made = await create({
      openaiApiKey: "sk-very-secret",
      openaiBaseUrl: "https://llm.example/v1//",
    });
    expect(made).toMatchObject({ hasOpenaiApiKey: true, openaiBaseUrl: "https://llm.example/v1" });
    for (const path of [`/api-keys/${made.id}`, "/api-keys?limit=200"]) {
      expect(await (await proxy.admin(path)).text(), path).not.toContain("sk-very-secret");
    }
    expect(JSON.stringify(made)).not.toContain("sk-very-secret");
  });

  it("can be changed field by field; null takes an optional field away", async () => {
    const made = await create({
      expiresAt: "2099-01-01T02:00:00+02:00",
      openaiApiKey: "sk-x",
      openaiBaseUrl: "http://127.0.0.1:1/v1",
      allowedModels: ["a", "b"],
    });
    expect(made).toMatchObject({
      expiresAt: "2099-01-01T00:00:00.000Z",
      allowedModels: ["a", "b"],
    });
    const renamed = await patch(made.id, { name: "renamed", isActive: false });
    expect(renamed.status).toBe(200);
    const { key: _key, updatedAt: _updatedAt, ...before } = made;
    expect(await renamed.json()).toMatchObject({ ...before, name: "renamed", isActive: false });
    expect(
      await (await patch(made.id, { toolMemory: false, toolMaxRounds: 3 })).json(),
    ).toMatchObject({
      toolMemory: false,
      toolMaxRounds: 3,
    });
    const limits = {
      logContent: "metadata",
      requestsPerMinute: 60,
      tokensPerMinute: 10_000,
      monthlyBudget: 12.5,
      unpriced: "refuse",
      upstreamDialect: "chat",
    };
    expect(await (await patch(made.id, limits)).json()).toMatchObject(limits);
    const cleared = await patch(made.id, {
      expiresAt: null,
      openaiApiKey: null,
      openaiBaseUrl: null,
      allowedModels: null,
      toolMaxRounds: null,
      requestsPerMinute: null,
      tokensPerMinute: null,
      monthlyBudget: null,
      upstreamDialect: null,
    });
    expect(await cleared.json()).toMatchObject({
      logContent: "metadata",
      requestsPerMinute: null,
      tokensPerMinute: null,
      monthlyBudget: null,
      upstreamDialect: null,
      toolMemory: false,
      toolMaxRounds: null,
      expiresAt: null,
      hasOpenaiApiKey: false,
      openaiBaseUrl: null,
      allowedModels: null,
      name: "renamed",
      isActive: false,
    });
    expect((await patch(made.id, {})).status).toBe(200);
  });

  it("is gone when it is deleted", async () => {
    const { id } = await create();
    const deleted = await proxy.admin(`/api-keys/${id}`, { method: "DELETE" });
    expect([deleted.status, await deleted.text()]).toEqual([204, ""]);
    for (const method of ["GET", "DELETE"])
      expect((await proxy.admin(`/api-keys/${id}`, { method })).status).toBe(404);
    expect((await patch(id, { name: "x" })).status).toBe(404);
  });

  it("is a 404 where there is none, whatever the id looks like", async () => {
    for (const id of [NOBODY, "1", "x'--", "%00"]) {
      expect((await refusal(await proxy.admin(`/api-keys/${id}`))).code, id).toBe("not_found");
      expect(
        (await proxy.admin(`/api-keys/${id}`, { method: "PATCH", json: { name: "x" } })).status,
        id,
      ).toBe(404);
    }
  });
});

describe("the fields of a key", () => {
  const faults: [string, Record<string, unknown>, string][] = [
    ["no name", { name: undefined }, "name"],
    ["an empty name", { name: "  " }, "name"],
    ["a name that is no text", { name: 5 }, "name"],
    ["a NUL character", { name: "a\0b" }, "name"],
    ["a field that is not there", { nmae: "x" }, "nmae"],
    ["a time without an offset", { expiresAt: "2099-01-01T00:00:00" }, "expiresAt"],
    ["a time that is none", { expiresAt: "tomorrow" }, "expiresAt"],
    ["a base URL of another kind", { openaiBaseUrl: "ftp://x/v1" }, "openaiBaseUrl"],
    ["a base URL with a password in it", { openaiBaseUrl: "http://a:b@x/v1" }, "openaiBaseUrl"],
    ["an upstream key with a line break", { openaiApiKey: "sk-a\nb" }, "openaiApiKey"],
    ["a memory that is neither on nor off", { toolMemory: null }, "toolMemory"],
    ["no rounds at all", { toolMaxRounds: 0 }, "toolMaxRounds"],
    ["more rounds than there may be", { toolMaxRounds: 101 }, "toolMaxRounds"],
    ["half a round", { toolMaxRounds: 1.5 }, "toolMaxRounds"],
    ["a limit of no requests", { requestsPerMinute: 0 }, "requestsPerMinute"],
    ["more tokens than the database can count", { tokensPerMinute: 2 ** 31 }, "tokensPerMinute"],
    ["a budget of nothing", { monthlyBudget: 0 }, "monthlyBudget"],
    ["a budget that is no number", { monthlyBudget: "10" }, "monthlyBudget"],
    ["an unknown kind of record", { logContent: "none" }, "logContent"],
    ["a word that is neither allow nor refuse", { unpriced: "ask" }, "unpriced"],
    ["no word at all", { unpriced: null }, "unpriced"],
    ["a dialect that nobody speaks", { upstreamDialect: "messages" }, "upstreamDialect"],
    ["models that are no list", { allowedModels: "gpt" }, "allowedModels"],
    ["a model that is no text", { allowedModels: ["a", 1] }, "allowedModels.1"],
    ["a tool that does not exist", { toolIds: [NOBODY] }, "toolIds"],
    ["a tool whose id is none", { toolIds: ["calculator"] }, "toolIds"],
  ];
  it.each(faults)(
    "are refused with a 400 that names the field: %s",
    async (_name, fields, param) => {
      const made = await refusal(
        await proxy.admin("/api-keys", { json: { name: "x", ...fields } }),
      );
      expect(made).toMatchObject({ status: 400, code: "invalid_value", param });
      const { id } = await create();
      const changed = await patch(id, fields);
      expect(changed.status).toBe(fields["name"] === undefined && "name" in fields ? 200 : 400);
      expect(await changed.json()).toMatchObject(
        changed.status === 200 ? { id } : { error: { code: "invalid_value", param } },
      );
    },
  );

  it.each(["2020-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2026-01-01T00:00:00+14:00"])(
    "make no key that has expired already: %s",
    async (expiresAt) => {
      const refused = await refusal(
        await proxy.admin("/api-keys", { json: { name: "x", expiresAt } }),
      );
      expect(refused).toMatchObject({ status: 400, code: "invalid_value", param: "expiresAt" });
      const { id } = await create();
      const ended = await patch(id, { expiresAt });
      expect(ended.status, "a key that there is can be ended so").toBe(200);
    },
  );

  it("are refused where the body is no JSON, and nothing is made", async () => {
    const name = `never made ${crypto.randomUUID()}`;
    const token = { authorization: (await sessionOf()) ?? "" };
    const send = (body: string, type: string) =>
      fetch(`${proxy.url}/api/admin/api-keys`, {
        method: "POST",
        headers: { ...token, "content-type": type },
        body,
      });
    expect(await refusal(await send("{", "application/json"))).toMatchObject({
      status: 400,
      code: "bad_request",
    });
    expect(await refusal(await send("[]", "application/json"))).toMatchObject({
      status: 400,
      code: "invalid_value",
    });
    expect(await refusal(await send(JSON.stringify({ name }), "text/plain"))).toMatchObject({
      status: 400,
      param: "content-type",
    });
    expect(
      await refusal(await send(JSON.stringify({ name: name.padEnd(2 ** 21) }), "application/json")),
    ).toMatchObject({
      status: 413,
      code: "body_too_large",
    });
    expect(await (await proxy.admin("/api-keys?limit=200")).text()).not.toContain(name);
  });

  it("name all tools that do not exist, and leave the key as it was", async () => {
    const [known = ""] = await tools(1);
    const { id } = await create({ toolIds: [known] });
    const { message } = await refusal(
      await patch(id, { name: "changed", toolIds: [known, NOBODY, "nonsense"] }),
    );
    expect(message).toContain(NOBODY);
    expect(message).toContain("nonsense");
    expect(message).not.toContain(known);
    expect(await read(id)).toMatchObject({ name: "a key for tests", toolIds: [known] });
  });
});

describe("the tools of a key", () => {
  it("are replaced as a whole, or one by one", async () => {
    const [a = "", b = "", c = ""] = await tools(3);
    const { id } = await create({ toolIds: [a, a.toUpperCase()] });
    expect((await read(id)).toolIds).toEqual([a]);
    expect(await (await patch(id, { toolIds: [c, b] })).json()).toMatchObject({ toolIds: [b, c] });
    const put = (path: string, json?: unknown) =>
      proxy.admin(`/api-keys/${id}/tools${path}`, { method: "PUT", json });
    expect(await (await put("", { toolIds: [a] })).json()).toEqual({ toolIds: [a] });
    expect(await (await put(`/${c}`)).json()).toEqual({ toolIds: [a, c] });
    expect(await (await put(`/${c}`)).json()).toEqual({ toolIds: [a, c] });
    expect((await proxy.admin(`/api-keys/${id}/tools/${a}`, { method: "DELETE" })).status).toBe(
      204,
    );
    expect((await proxy.admin(`/api-keys/${id}/tools/${a}`, { method: "DELETE" })).status).toBe(
      404,
    );
    expect(await (await proxy.admin(`/api-keys/${id}/tools`)).json()).toEqual({ toolIds: [c] });
    expect((await put(`/${NOBODY}`)).status).toBe(404);
    expect((await put("/x")).status).toBe(404);
    expect((await put("", { toolIds: [NOBODY] })).status).toBe(400);
    expect((await proxy.admin(`/api-keys/${NOBODY}/tools/${a}`, { method: "PUT" })).status).toBe(
      404,
    );
    expect((await proxy.admin(`/api-keys/${NOBODY}/tools`)).status).toBe(404);
    expect((await read(id)).toolIds).toEqual([c]);
  });

  it("lose a tool that is deleted", async () => {
    const [a = "", b = ""] = await tools(2);
    const { id } = await create({ toolIds: [a, b] });
    expect((await proxy.admin(`/tools/${a}`, { method: "DELETE" })).status).toBe(204);
    expect((await read(id)).toolIds).toEqual([b]);
  });
});

describe("the list of keys", () => {
  it("comes newest first, in pages that miss none and repeat none", async () => {
    const made: string[] = [];
    for (const wave of [1, 2])
      made.push(
        ...(
          await Promise.all(Array.from({ length: 6 }, () => create({ name: `wave ${wave}` })))
        ).map(({ id }) => id),
      );
    const seen: Key[] = [];
    let cursor: string | null = null;
    do {
      const answer = await proxy.admin(
        `/api-keys?limit=5${cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`}`,
      );
      const page = (await answer.json()) as { data: Key[]; nextCursor: string | null };
      expect(Object.keys(page)).toEqual(["data", "nextCursor"]);
      expect(page.data.length).toBeLessThanOrEqual(5);
      seen.push(...page.data);
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(new Set(seen.map(({ id }) => id)).size).toBe(seen.length);
    for (const id of made) expect(seen.filter((key) => key.id === id)).toHaveLength(1);
    const times = seen.map(({ createdAt }) => String(createdAt));
    expect(times).toEqual(times.toSorted().toReversed());
    expect(
      seen.every((key) => !("key" in key) && !("keyHash" in key) && !("openaiApiKey" in key)),
    ).toBe(true);
  });

  it("refuses a limit outside 1 to 200 and a cursor that it did not give", async () => {
    for (const limit of ["0", "201", "x", "1.5", "-1", ""]) {
      expect(await refusal(await proxy.admin(`/api-keys?limit=${limit}`)), limit).toMatchObject({
        status: 400,
        param: "limit",
      });
    }
    const forged = [
      "",
      "x",
      "bm9uc2Vuc2U",
      btoa(JSON.stringify(["x", NOBODY])),
      btoa(JSON.stringify(["2026-01-01", "' or 1=1"])),
      "%00",
    ];
    for (const cursor of forged)
      expect(await refusal(await proxy.admin(`/api-keys?cursor=${cursor}`)), cursor).toMatchObject({
        status: 400,
        param: "cursor",
      });
    expect((await proxy.admin("/api-keys?limit=200")).status).toBe(200);
  });
});

async function sessionOf(): Promise<string | null> {
  const { ADMIN_PASSWORD } = await import("../helpers/start-target.ts");
  const answer = await fetch(`${proxy.url}/api/admin/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ password: ADMIN_PASSWORD }),
  });
  return `Bearer ${((await answer.json()) as { token: string }).token}`;
}
