import { describe, expect, it, onTestFinished } from "vitest";
import {
  servedTool,
  startChangeableServer,
  type ChangeableServer,
} from "../helpers/changeable-server.ts";
import { callTool } from "../helpers/mcp-http.ts";
import { proxy } from "../helpers/proxy.ts";
import { startRemote } from "../helpers/remote-mcp.ts";
import {
  change,
  changed,
  checkTool,
  importTool,
  importTools,
  readTool,
  userOf,
  type ShownTool,
} from "../helpers/watched-tool.ts";

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
/** Longer than a check behind a call takes. */
const A_WHILE = 2500;

async function refusal(answer: Response): Promise<[number, string, string | null]> {
  const { error } = (await answer.json()) as { error: { code: string; param: string | null } };
  return [answer.status, error.code, error.param];
}

/** Imports the two tools of a server. */
async function importBoth(
  server: ChangeableServer,
  more: Record<string, unknown> = {},
): Promise<[ShownTool, ShownTool]> {
  const [one, other] = await importTools(server, more);
  if (one === undefined || other === undefined) throw new Error("The server has no two tools");
  server.lists = 0;
  return [one, other];
}

describe("an MCP server is asked what it offers", () => {
  it("after a call, once for all of its tools that are used", async () => {
    const server = await startChangeableServer(servedTool("one"), servedTool("other"));
    const [one, other] = await importBoth(server);
    server.tools = [servedTool("one"), servedTool("other", "changed")];
    await (await userOf(one, other)).ask();
    expect((await changed(other.id)).mcpChange?.to).toMatchObject({ description: "changed" });
    expect(await readTool(one.id)).toMatchObject({
      mcpChange: null,
      mcpCheckedAt: expect.any(String) as unknown,
    });
    await wait(A_WHILE);
    expect(server.lists).toBe(1);
  });

  it("at most once a minute, however much it is used", async () => {
    const server = await startChangeableServer(servedTool("one"), servedTool("other"));
    const [one, other] = await importBoth(server);
    const user = await userOf(one);
    await user.ask();
    const checkedAt = async (id: string) => (await readTool(id)).mcpCheckedAt;
    await expect.poll(() => checkedAt(one.id), { timeout: 10_000 }).not.toBeNull();
    const first = await checkedAt(one.id);
    for (let turn = 0; turn < 3; turn++) await user.ask();
    await (await userOf(one, other)).ask();
    await wait(A_WHILE);
    expect(server.lists).toBe(1);
    expect([await checkedAt(one.id), await checkedAt(other.id)]).toEqual([first, first]);
  });

  it("at once when it says, in a call, that its tools have changed", async () => {
    const server = await startChangeableServer(servedTool("one"));
    const tool = await importTool(server);
    await checkTool(tool.id);
    const user = await userOf(tool);
    await user.ask();
    server.onCall = () => {
      server.tools = [servedTool("one", "changed")];
    };
    server.announces = true;
    await user.ask();
    expect((await changed(tool.id)).mcpChange?.to).toMatchObject({ description: "changed" });
  });

  it("after a streamed answer, a call by the MCP router and a try of the operator's", async () => {
    const uses: ((tool: ShownTool) => Promise<unknown>)[] = [
      async (tool) => {
        const { key } = await userOf(tool);
        const stream = proxy.client(key).chat.completions.stream({
          model: "gpt-test",
          messages: [{ role: "user", content: "go" }],
        });
        return stream.finalChatCompletion();
      },
      async (tool) => callTool((await userOf(tool)).key, tool.name, { text: "hi" }),
      (tool) => proxy.admin(`/tools/${tool.id}/try`, { json: { arguments: { text: "hi" } } }),
    ];
    for (const use of uses) {
      const server = await startChangeableServer(servedTool("one"));
      const tool = await importTool(server);
      server.tools = [servedTool("one", "changed")];
      await use(tool);
      expect((await changed(tool.id)).mcpChange?.to).toMatchObject({ description: "changed" });
    }
  });

  it.each(["modern", "both", "stateful"] as const)(
    "whichever revision of MCP it speaks (%s), on all its pages",
    async (spoken) => {
      const [one, two, three] = ["one", "two", "three"].map((name) => servedTool(name));
      const offer: { tools: Record<string, unknown>[]; pageSize: number } = {
        tools: [{ ...one }, { ...two }, { ...three }],
        pageSize: 1,
      };
      const tools = await importTools({
        url: (await startRemote(spoken, offer)).url,
        tools: offer.tools,
      });
      offer.tools = [{ ...one }, { ...two }, { ...three, description: "changed" }];
      await (await userOf(...tools)).ask();
      expect((await changed(tools[2]?.id ?? "")).mcpChange?.to).toMatchObject({
        description: "changed",
      });
      offer.tools = [{ ...one }, { ...three, description: "changed" }];
      await checkTool(tools[0]?.id ?? "");
      const changes = await Promise.all(
        tools.map(async ({ id }) => (await readTool(id)).mcpChange),
      );
      expect(changes).toEqual([
        null,
        expect.objectContaining({ to: null }),
        expect.objectContaining({ from: expect.anything() as unknown }),
      ]);
    },
  );

  it("and what it says of one tool, that nobody would keep, hides nothing of the others", async () => {
    const server = await startChangeableServer(servedTool("one"), servedTool("other"));
    const [one, other] = await importBoth(server);
    let deep: Record<string, unknown> = {};
    for (let level = 0; level < 2000; level++) deep = { properties: { deeper: deep } };
    for (const odd of [servedTool("one", "x".repeat(1_000_001)), servedTool("one", "deep", deep)]) {
      server.tools = [odd, servedTool("other", `beside ${odd.description.length}`)];
      expect((await checkTool(other.id)).mcpChange?.to).toMatchObject({
        description: `beside ${odd.description.length}`,
      });
      expect((await readTool(one.id)).description).toBe("says it again");
    }
    server.tools = [servedTool("one", "NUL: \0, half a pair: \ud83d"), servedTool("other")];
    expect((await checkTool(one.id)).mcpChange?.to).toMatchObject({
      description: "NUL: , half a pair: \ufffd",
    });
    expect((await change(one.id, "approve")).status).toBe(200);
    expect((await checkTool(one.id)).mcpChange).toBeNull();
  });

  it("after a call of a tool that it has no more", async () => {
    const server = await startChangeableServer(servedTool("one"));
    const tool = await importTool(server);
    server.tools = [];
    await (await userOf(tool)).ask();
    expect((await changed(tool.id)).mcpChange?.to).toBeNull();
  });

  it("without delaying anybody, though it never answers", async () => {
    const server = await startChangeableServer(servedTool("one"));
    const tool = await importTool(server);
    let answerLists = () => {};
    const stalled = new Promise<void>((resolve) => (answerLists = resolve));
    server.beforeList = () => stalled;
    onTestFinished(answerLists);
    const user = await userOf(tool);
    const startedAt = performance.now();
    await user.ask();
    await wait(A_WHILE);
    expect(server.lists).toBeGreaterThan(1);
    for (let turn = 0; turn < 2; turn++) expect(await user.ask()).toHaveLength(1);
    expect(performance.now() - startedAt).toBeLessThan(A_WHILE + 5000);
    expect(await readTool(tool.id)).toMatchObject({ mcpChange: null, mcpCheckedAt: null });
  });

  it("with its tool's own headers: tools at one URL with other headers are another server's", async () => {
    const server = await startChangeableServer(servedTool("one"));
    const mine = await importTool(server, { mcpHeaders: { "x-tenant": "mine" } });
    const theirs = await importTool(server, { mcpHeaders: { "x-tenant": "theirs" } });
    const alsoMine = await importTool(server, { mcpHeaders: { "x-tenant": "mine" } });
    server.tools = [servedTool("one", "changed")];
    server.headers = [];
    await checkTool(mine.id);
    expect(server.headers.map((headers) => headers["x-tenant"])).toEqual(["mine"]);
    const changes = await Promise.all(
      [mine, theirs, alsoMine].map(async ({ id }) => (await readTool(id)).mcpChange !== null),
    );
    expect(changes).toEqual([true, false, true]);
  });
});

describe("a check that the operator asks for", () => {
  it("says why the server cannot be asked, and changes nothing", async () => {
    const server = await startChangeableServer(servedTool("one"));
    const tool = await importTool(server);
    server.tools = [servedTool("one", "changed")];
    const before = await checkTool(tool.id);
    expect(before.mcpChange).not.toBeNull();
    server.close();
    const answer = await proxy.admin(`/tools/${tool.id}/check`, { method: "POST" });
    expect(await refusal(answer)).toEqual([502, "mcp_server_failed", null]);
    expect(await readTool(tool.id)).toEqual(before);
  });

  it("is of tools that have a server", async () => {
    const { id } = await proxy.createTool({
      name: "function",
      type: "function",
      implementation: "return 1;",
    });
    expect((await refusal(await proxy.admin(`/tools/${id}/check`, { method: "POST" })))[0]).toBe(
      400,
    );
    for (const missing of [crypto.randomUUID(), "nonsense"])
      expect(
        (await refusal(await proxy.admin(`/tools/${missing}/check`, { method: "POST" })))[0],
      ).toBe(404);
    expect(
      (await fetch(`${proxy.url}/api/admin/tools/${id}/check`, { method: "POST" })).status,
    ).toBe(401);
  });

  it("is not what discovery does", async () => {
    const server = await startChangeableServer(servedTool("one"));
    const tool = await importTool(server);
    server.tools = [servedTool("one", "changed")];
    await proxy.admin("/tools/discover", { json: { mcpServerUrl: server.url } });
    expect(await readTool(tool.id)).toEqual(tool);
  });
});

describe("a decision about a change", () => {
  it("takes a change that waits, and the one that was looked at", async () => {
    const server = await startChangeableServer(servedTool("one"));
    const tool = await importTool(server);
    for (const action of ["approve", "dismiss"])
      expect(await refusal(await change(tool.id, action))).toEqual([409, "conflict", null]);
    server.tools = [servedTool("one", "looks harmless")];
    const { mcpChangedAt } = await checkTool(tool.id);
    server.tools = [servedTool("one", "is not")];
    await wait(5);
    const second = await checkTool(tool.id);
    expect(await refusal(await change(tool.id, "approve", { mcpChangedAt }))).toEqual([
      409,
      "conflict",
      "mcpChangedAt",
    ]);
    expect(await readTool(tool.id)).toEqual(second);
    expect((await change(tool.id, "approve", { mcpChangedAt: second.mcpChangedAt })).status).toBe(
      200,
    );
    expect(await refusal(await change(tool.id, "approve"))).toEqual([409, "conflict", null]);
  });

  it("is approve or dismiss, of a tool that there is", async () => {
    const tool = await importTool(await startChangeableServer(servedTool("one")));
    expect(await refusal(await change(tool.id, "accept"))).toEqual([
      400,
      "invalid_value",
      "action",
    ]);
    expect(await refusal(await change(tool.id, "approve", { mcpChangedAt: "today" }))).toEqual([
      400,
      "invalid_value",
      "mcpChangedAt",
    ]);
    expect(await refusal(await change(tool.id, "approve", { more: 1 }))).toEqual([
      400,
      "invalid_value",
      "more",
    ]);
    for (const missing of [crypto.randomUUID(), "nonsense"])
      expect((await change(missing, "approve")).status).toBe(404);
  });

  it("is not possible for what cannot be a tool: the old one goes on", async () => {
    const server = await startChangeableServer(servedTool("one"));
    const tool = await importTool(server);
    server.tools = [
      servedTool("one", "x", { properties: { text: { $ref: "https://example.com/schema" } } }),
    ];
    expect((await checkTool(tool.id)).mcpChange).not.toBeNull();
    expect(await refusal(await change(tool.id, "approve"))).toEqual([
      400,
      "invalid_value",
      "parameters",
    ]);
    expect(await readTool(tool.id)).toMatchObject({
      description: "says it again",
      mcpChange: { to: { description: "x" } },
    });
    server.tools = [servedTool("one", "x".repeat(20_001))];
    await checkTool(tool.id);
    expect(await refusal(await change(tool.id, "approve"))).toEqual([
      400,
      "invalid_value",
      "description",
    ]);
    expect((await change(tool.id, "dismiss")).status).toBe(200);
  });

  it("is on record", async () => {
    const server = await startChangeableServer(servedTool("one"));
    const tool = await importTool(server);
    const decide = async (tools: ChangeableServer["tools"], action: string) => {
      server.tools = tools;
      await checkTool(tool.id);
      expect((await change(tool.id, action)).status).toBe(200);
    };
    await decide([servedTool("one", "dismissed")], "dismiss");
    await decide([servedTool("one", "approved", { required: ["text"] })], "approve");
    await decide([], "dismiss");
    await decide([servedTool("one", "back")], "dismiss");
    await decide([], "approve");
    const { data } = (await (await proxy.admin(`/audit?targetId=${tool.id}`)).json()) as {
      data: Record<string, unknown>[];
    };
    const decided = data.toReversed().filter(({ action }) => action !== "tool.check");
    expect(decided.map(({ action, targetName, changes }) => [action, targetName, changes])).toEqual(
      [
        ["tool.create", tool.name, expect.any(Object)],
        [
          "tool.change_dismiss",
          tool.name,
          { description: { from: "says it again", to: "dismissed" } },
        ],
        [
          "tool.change_approve",
          tool.name,
          {
            description: { from: "says it again", to: "approved" },
            parameters: {
              from: expect.stringMatching(/characters/) as unknown,
              to: expect.stringMatching(/characters/) as unknown,
            },
          },
        ],
        ["tool.change_dismiss", tool.name, { mcpToolName: { from: "one", to: null } }],
        [
          "tool.change_dismiss",
          tool.name,
          expect.objectContaining({ description: { from: "approved", to: "back" } }),
        ],
        ["tool.change_approve", tool.name, { isActive: { from: true, to: false } }],
      ],
    );
    const only = (await (
      await proxy.admin(`/audit?action=tool.change_approve&targetId=${tool.id}`)
    ).json()) as { data: unknown[] };
    expect(only.data).toHaveLength(2);
  });
});
