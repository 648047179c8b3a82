import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { ADMIN_PASSWORD } from "../helpers/start-target.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

interface Row {
  id: string;
  actor: string;
  action: string;
  targetId: string | null;
  targetName: string | null;
  changes: Json;
  clientAddress: string;
  createdAt: string;
}

async function audit(
  search: Record<string, string>,
): Promise<{ data: Row[]; nextCursor: string | null }> {
  const answer = await proxy.admin(`/audit?${new URLSearchParams(search).toString()}`);
  expect(answer.status).toBe(200);
  return (await answer.json()) as { data: Row[]; nextCursor: string | null };
}

/** What was done to one key or tool, oldest first. */
const historyOf = async (targetId: string) =>
  (await audit({ targetId, limit: "200" })).data.toReversed();
const changesOf = async (targetId: string) =>
  (await historyOf(targetId)).map(({ action, changes }) => [action, changes]);

async function call(method: string, path: string, json?: unknown): Promise<void> {
  const answer = await proxy.admin(path, { method, json });
  expect(answer.ok, `${method} ${path}: ${answer.status}`).toBe(true);
  await answer.body?.cancel();
}

const FUNCTION = { name: "audited", type: "function", implementation: "return 'a password';" };

describe("the audit log", () => {
  it("has every change of a key, with who, what and from where", async () => {
    const { id, key } = await proxy.createKey({ name: "audited", monthlyBudget: 5 });
    await call("PATCH", `/api-keys/${id}`, {
      monthlyBudget: 10,
      isActive: false,
      allowedModels: ["a"],
    });
    await call("PATCH", `/api-keys/${id}`, { name: "renamed", isActive: false });
    await call("POST", `/api-keys/${id}/rotate`, { overlapSeconds: 60 });
    await call("DELETE", `/api-keys/${id}`);
    const rows = await historyOf(id);
    expect(rows[0]).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      actor: "admin",
      action: "api_key.create",
      targetId: id,
      targetName: "audited",
      changes: expect.objectContaining({
        name: "audited",
        monthlyBudget: 5,
        keyPrefix: key.slice(0, 16),
        toolIds: [],
      }),
      clientAddress: expect.stringMatching(/./),
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    });
    expect(
      rows.slice(1).map(({ action, targetName, changes }) => [action, targetName, changes]),
    ).toEqual([
      [
        "api_key.update",
        "audited",
        {
          monthlyBudget: { from: 5, to: 10 },
          isActive: { from: true, to: false },
          allowedModels: { from: null, to: ["a"] },
        },
      ],
      ["api_key.update", "renamed", { name: { from: "audited", to: "renamed" } }],
      [
        "api_key.rotate",
        "renamed",
        {
          keyPrefix: expect.stringMatching(/^sk-proxy-/),
          keySuffix: expect.stringMatching(/^.{4}$/),
          overlapSeconds: 60,
        },
      ],
      ["api_key.delete", "renamed", {}],
    ]);
  });

  it("has the tools that a key was given and that were taken from it", async () => {
    const [a, b] = [await proxy.createTool(FUNCTION), await proxy.createTool(FUNCTION)];
    const { id } = await proxy.createKey();
    await call("PUT", `/api-keys/${id}/tools`, { toolIds: [a.id] });
    await call("PUT", `/api-keys/${id}/tools/${b.id}`);
    await call("PUT", `/api-keys/${id}/tools/${b.id}`);
    await call("DELETE", `/api-keys/${id}/tools/${a.id}`);
    await call("PATCH", `/api-keys/${id}`, { toolIds: [] });
    expect((await changesOf(id)).slice(1)).toEqual([
      ["key_tools.replace", { toolIds: { from: [], to: [a.id] } }],
      ["key_tools.assign", { toolId: b.id, toolName: b.name }],
      ["key_tools.unassign", { toolId: a.id, toolName: a.name }],
      ["api_key.update", { toolIds: { from: [b.id], to: [] } }],
    ]);
  });

  it("has every change of a tool", async () => {
    const { id, name } = await proxy.createTool(FUNCTION);
    await call("PATCH", `/tools/${id}`, { description: "new", timeoutMs: 900 });
    await call("PATCH", `/tools/${id}`, { description: "new" });
    await call("PATCH", `/tools/${id}`, { implementation: "return 'another password';" });
    await call("DELETE", `/tools/${id}`);
    expect(await changesOf(id)).toEqual([
      [
        "tool.create",
        expect.objectContaining({ name, type: "function", implementation: "(20 characters)" }),
      ],
      [
        "tool.update",
        {
          description: { from: "a tool for tests", to: "new" },
          timeoutMs: { from: null, to: 900 },
        },
      ],
      ["tool.update", { implementation: { from: "(20 characters)", to: "(26 characters)" } }],
      ["tool.delete", {}],
    ]);
  });

  it("has nothing of what was refused", async () => {
    const { id } = await proxy.createKey();
    expect(
      (
        await proxy.admin(`/api-keys/${id}`, {
          method: "PATCH",
          json: { name: "x", toolIds: ["nothing"] },
        })
      ).status,
    ).toBe(400);
    const { id: toolId } = await proxy.createTool(FUNCTION);
    const { name: taken } = await proxy.createTool(FUNCTION);
    expect(
      (await proxy.admin(`/tools/${toolId}`, { method: "PATCH", json: { name: taken } })).status,
    ).toBe(409);
    for (const target of [id, toolId]) expect(await historyOf(target)).toHaveLength(1);
  });

  it("never has a secret: no key, no upstream key, no variable, no code, no argument of a command, no path of an address", async () => {
    const made = await proxy.createKey({ openaiApiKey: "sk-secret-1" });
    await call("PATCH", `/api-keys/${made.id}`, { openaiApiKey: "sk-secret-2" });
    await call("PATCH", `/api-keys/${made.id}`, { openaiApiKey: null });
    await call("PATCH", `/api-keys/${made.id}`, { openaiApiKey: null });
    const answer = await proxy.admin(`/api-keys/${made.id}/rotate`, { json: {} });
    const { key } = (await answer.json()) as { key: string };
    expect((await changesOf(made.id)).slice(0, 3)).toEqual([
      ["api_key.create", expect.objectContaining({ openaiApiKey: "(set)" })],
      ["api_key.update", { openaiApiKey: "(set)" }],
      ["api_key.update", { openaiApiKey: "(removed)" }],
    ]);
    const command = "npx -y a-server@1 --token=secret-3";
    const mcp = await proxy.createTool({
      name: "mcp",
      type: "mcp",
      mcpServerCommand: command,
      env: { TOKEN: "secret-4" },
    });
    await call("PATCH", `/tools/${mcp.id}`, {
      mcpServerCommand: "npx -y a-server@1 --token=secret-5",
    });
    await call("PATCH", `/tools/${mcp.id}`, {
      mcpServerCommand: null,
      env: null,
      mcpServerUrl: "https://mcp.example/secret-6?token=secret-7",
    });
    await call("PATCH", `/tools/${mcp.id}`, { mcpHeaders: { authorization: "Bearer secret-9" } });
    await call("PATCH", `/tools/${mcp.id}`, { mcpHeaders: null });
    const functionTool = await proxy.createTool({
      ...FUNCTION,
      implementation: "return 'secret-8';",
    });
    expect(await changesOf(mcp.id)).toEqual([
      [
        "tool.create",
        expect.objectContaining({ mcpServerCommand: "npx a-server@1", env: "(set)" }),
      ],
      ["tool.update", { mcpServerCommand: { from: "npx a-server@1", to: "npx a-server@1" } }],
      [
        "tool.update",
        {
          mcpServerCommand: { from: "npx a-server@1", to: null },
          mcpServerUrl: { from: null, to: "https://mcp.example" },
          env: "(removed)",
        },
      ],
      ["tool.update", { mcpHeaders: "(set)" }],
      ["tool.update", { mcpHeaders: "(removed)" }],
    ]);
    const texts = await Promise.all(
      [made.id, mcp.id, functionTool.id].map(async (id) => JSON.stringify(await historyOf(id))),
    );
    for (const text of texts) {
      expect(text).not.toMatch(/secret-/);
      for (const secret of [made.key, key, ADMIN_PASSWORD]) expect(text).not.toContain(secret);
    }
  });

  it("has sign-ins, and wrong passwords without what was typed", async () => {
    const signIn = (password: string) =>
      fetch(`${proxy.url}/api/admin/login`, {
        method: "POST",
        // An address of its own, so that the failure counts against no other test. Node sees the
        // connection's.
        headers: { "content-type": "application/json", "cf-connecting-ip": "192.0.2.250" },
        body: JSON.stringify({ password }),
      });
    const typed = `wrong ${crypto.randomUUID()}`;
    const before = new Date(Date.now() - 1000).toISOString();
    expect((await signIn(typed)).status).toBe(401);
    expect((await signIn(ADMIN_PASSWORD)).status).toBe(200);
    for (const action of ["session.refused", "session.sign_in"]) {
      const { data } = await audit({ action, limit: "200" });
      const row = data.find(({ createdAt }) => createdAt > before);
      expect(row).toMatchObject({
        action,
        actor: "admin",
        targetId: null,
        targetName: null,
        changes: {},
      });
      expect(row?.clientAddress).toMatch(/^(192\.0\.2\.250|127\.0\.0\.1|::1|::ffff:127\.0\.0\.1)$/);
      expect(JSON.stringify(data)).not.toContain(typed);
      expect(data.every((entry) => entry.action === action)).toBe(true);
    }
  });

  it("has what was tried, asked for and read, without what it was about", async () => {
    const upstream = await startUpstream(completion({ content: "what was said" }));
    const { id: keyId, key } = await proxy.createKey({ name: "read", openaiBaseUrl: upstream.url });
    const tool = await proxy.createTool(FUNCTION);
    await call("POST", `/tools/${tool.id}/try`, { arguments: { secret: "secret-10" } });
    const command = "npx -y no-such-server@1 --token=secret-11";
    const asked = [
      { mcpServerCommand: command, env: { TOKEN: "secret-12" } },
      { mcpServerUrl: "http://127.0.0.1:1/secret-13", mcpHeaders: { "x-token": "secret-14" } },
    ];
    // A registry may take a minute to say that there is no such package: it is noted before.
    for (const json of asked) {
      const signal = AbortSignal.timeout(3000);
      const asking = proxy.admin("/tools/discover", { json, signal });
      await asking.then(async ({ body }) => body?.cancel()).catch(() => null);
    }
    await proxy.client(key).chat.completions.create({
      model: "gpt-test",
      messages: [{ role: "user", content: "what was asked" }],
    });
    const find = async () => {
      const answer = await proxy.admin(`/conversations?apiKeyId=${keyId}`);
      return ((await answer.json()) as { data: { id: string }[] }).data[0]?.id;
    };
    await expect.poll(find).toBeDefined();
    const id = (await find()) ?? "";
    await call("GET", `/conversations/${id}`);
    await call("GET", `/conversations/export?apiKeyId=${keyId}&q=what%20was`);

    const newest = async (action: string) => (await audit({ action, limit: "100" })).data;
    expect((await historyOf(tool.id)).at(-1)).toMatchObject({
      action: "tool.try",
      targetName: tool.name,
      changes: {},
    });
    // Other files ask for servers, and export, at the same time.
    const places = new Set(["http://127.0.0.1:1", "npx no-such-server@1"]);
    const discovered = (await newest("tool.discover")).filter(({ targetName }) =>
      places.has(targetName ?? ""),
    );
    expect(discovered.slice(0, 2)).toMatchObject([
      { targetName: "http://127.0.0.1:1", changes: { env: [], mcpHeaders: ["x-token"] } },
      { targetName: "npx no-such-server@1", changes: { env: ["TOKEN"], mcpHeaders: [] } },
    ]);
    expect(await historyOf(id)).toMatchObject([
      { action: "conversation.read", targetName: "a conversation of read" },
    ]);
    expect((await newest("conversation.export")).map(({ changes }) => changes)).toContainEqual(
      expect.objectContaining({ apiKeyId: keyId, q: "(set)" }),
    );
    const text = JSON.stringify((await audit({ limit: "50" })).data);
    expect(text).not.toMatch(/secret-1\d|what was/);
  });

  it("has who signed out", async () => {
    const signedIn = await proxy.admin("/login", { json: { password: ADMIN_PASSWORD } });
    const { token } = (await signedIn.json()) as { token: string };
    const headers = { authorization: `Bearer ${token}` };
    const before = new Date(Date.now() - 1000).toISOString();
    await fetch(`${proxy.url}/api/admin/logout`, { method: "POST", headers });
    const { data } = await audit({ action: "session.sign_out", limit: "1" });
    expect(data.map(({ createdAt }) => createdAt > before)).toEqual([true]);
  });

  it("comes newest first, in pages that miss none and repeat none", async () => {
    const { id } = await proxy.createKey();
    for (const name of ["one", "two", "three", "four"])
      await call("PATCH", `/api-keys/${id}`, { name });
    const seen: Row[] = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const page = await audit({ targetId: id, limit: "2", ...(cursor === "" ? {} : { cursor }) });
      expect(page.data.length).toBeLessThanOrEqual(2);
      seen.push(...page.data);
      cursor = page.nextCursor;
    }
    expect(seen.map(({ targetName }) => targetName)).toEqual([
      "four",
      "three",
      "two",
      "one",
      "a key for tests",
    ]);
    expect((await audit({ targetId: id, action: "api_key.create" })).data).toHaveLength(1);
    expect((await audit({ targetId: "nobody" })).data).toEqual([]);
  });

  it("is the operator's alone, and refuses filters that mean nothing", async () => {
    expect((await fetch(`${proxy.url}/api/admin/audit`)).status).toBe(401);
    for (const [param, value] of Object.entries({
      action: "key.create",
      limit: "0",
      cursor: "x",
    })) {
      const answer = await proxy.admin(`/audit?${param}=${value}`);
      expect([
        answer.status,
        ((await answer.json()) as { error: { param: string } }).error.param,
      ]).toEqual([400, param]);
    }
    for (const method of ["POST", "DELETE", "PATCH"])
      expect((await proxy.admin("/audit", { method, json: {} })).status).toBe(404);
  });
});
