/** How many calls of a tool run at the same time, and what becomes of the others. */
import { describe, expect, it } from "vitest";
import { mcpTool } from "../helpers/media-server.ts";
import { proxy } from "../helpers/proxy.ts";
import { completion, startUpstream, toolCall, type ScriptedUpstream } from "../helpers/upstream.ts";

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A key whose model calls the tool as often as the user says, at once, and then answers. */
async function callingKey(tool: { id: string; name: string }, args: Record<string, unknown> = {}) {
  const upstream = await startUpstream((request, response) => {
    const messages = request.json()["messages"] as { role: string; content: string }[];
    const calls = Array.from({ length: Number(messages[0]?.content) }, (_, index) =>
      toolCall(`call_${index}`, tool.name, args),
    );
    const isAnswered = messages.some(({ role }) => role === "tool");
    return completion(isAnswered ? { content: "Done." } : { tool_calls: calls })(request, response);
  });
  const { key } = await proxy.createKey({ toolIds: [tool.id], openaiBaseUrl: upstream.url });
  const ask = async (calls: number, signal?: AbortSignal) =>
    proxy
      .client(key)
      .chat.completions.create(
        { model: "gpt-test", messages: [{ role: "user", content: String(calls) }] },
        { signal: signal ?? null },
      );
  return { upstream, ask };
}

/** What the model was told of each call. */
const results = ({ requests }: ScriptedUpstream): string[] =>
  requests
    .flatMap((request) => request.json()["messages"] as { role: string; content: string }[])
    .filter(({ role }) => role === "tool")
    .map(({ content }) => content);

const slow = (ms: number) => async () => {
  await pause(ms);
  return { content: [{ type: "text", text: "done" }] };
};

describe("a tool's maxConcurrency", () => {
  it("holds across requests and keys, and every call has its turn", async () => {
    const tool = await mcpTool("slow", slow(40), { maxConcurrency: 2 });
    const [one, other] = [await callingKey(tool), await callingKey(tool)];
    await Promise.all([one.ask(5), one.ask(5), other.ask(5)]);
    expect(tool.server.running.most).toBe(2);
    expect([...results(one.upstream), ...results(other.upstream)]).toEqual(
      Array.from({ length: 15 }, () => "done"),
    );
  });

  it("can be changed while the proxy runs", async () => {
    const tool = await mcpTool("slow", slow(100), { maxConcurrency: 1 });
    const { ask } = await callingKey(tool);
    await ask(3);
    expect(tool.server.running.most).toBe(1);
    expect(
      (await proxy.admin(`/tools/${tool.id}`, { method: "PATCH", json: { maxConcurrency: 3 } }))
        .status,
    ).toBe(200);
    await ask(3);
    expect(tool.server.running.most).toBe(3);
  });

  it("holds for functions", async () => {
    const implementation =
      "const start = Date.now(); while (Date.now() < start + 60); return [start, Date.now()];";
    const fields = {
      name: "busy",
      type: "function",
      parameters: { type: "object", properties: {} },
      implementation,
    };
    const spans = async (maxConcurrency: number | null) => {
      const { upstream, ask } = await callingKey(
        await proxy.createTool({ ...fields, maxConcurrency }),
      );
      await Promise.all([ask(3), ask(3)]);
      return results(upstream)
        .map((text) => JSON.parse(text) as [number, number])
        .toSorted(([a], [b]) => a - b);
    };
    const limited = await spans(1);
    expect(limited).toHaveLength(6);
    for (const [index, [start]] of limited.entries())
      expect(start).toBeGreaterThanOrEqual(limited[index - 1]?.[1] ?? 0);
  });

  it("gives each key its turn, however many calls another one has", async () => {
    const order: unknown[] = [];
    const held = Promise.withResolvers<void>();
    const tool = await mcpTool(
      "slow",
      async ({ who }) => {
        order.push(who);
        await held.promise;
        await pause(60);
        return { content: [] };
      },
      { maxConcurrency: 1 },
    );
    const [greedy, modest] = [
      await callingKey(tool, { who: "greedy" }),
      await callingKey(tool, { who: "modest" }),
    ];
    const many = greedy.ask(8);
    await expect.poll(() => order.length, { interval: 5 }).toBeGreaterThan(0);
    const one = modest.ask(1);
    await expect.poll(() => modest.upstream.requests.length).toBe(1);
    await pause(300);
    held.resolve();
    await Promise.all([one, many]);
    expect(order.indexOf("modest")).toBeLessThan(6);
    expect(order).toHaveLength(9);
  });

  it("beyond 64 waiting calls a tool is busy, and who waits too long is told so; it is no fault of the tool", async () => {
    const tool = await mcpTool("stuck", () => pause(20_000), {
      maxConcurrency: 1,
      timeoutMs: 2500,
    });
    const { upstream, ask } = await callingKey(tool);
    const startedAt = Date.now();
    await Promise.all(Array.from({ length: 10 }, () => ask(8)));
    expect(Date.now() - startedAt).toBeLessThan(8000);
    const told = results(upstream);
    expect(told).toHaveLength(80);
    const isFull = (text: string) =>
      text.includes("is busy: 64 calls are waiting for it. It was not run; try again in a moment.");
    const hasWaited = (text: string) =>
      text.includes("was busy with other calls for 2.5 s, its time limit. It was not run");
    expect(told.filter(isFull).length).toBeGreaterThanOrEqual(15);
    expect(told.filter(hasWaited).length).toBeGreaterThanOrEqual(55);
    for (const text of told) expect(text).toContain(tool.name.slice(0, 5));
    // Three failures withdraw a tool; being busy is none.
    for (const request of upstream.requests)
      expect(request.json()["tools"], "the tool is offered").toHaveLength(1);
  });

  it("counts waiting under the tool's time limit", async () => {
    const tool = await mcpTool("slow", slow(700), { maxConcurrency: 1, timeoutMs: 1000 });
    const { upstream, ask } = await callingKey(tool);
    await ask(2);
    const [first, second] = results(upstream);
    expect(first).toBe("done");
    expect(second).toMatch(
      /^Error: .*longer than 0\.\d+ s.* Before that it had waited 0\.\d s of its 1 s for other calls to end\.$/,
    );
  });

  it("a client that goes while it waits leaves its place to the next", async () => {
    let calls = 0;
    const held = Promise.withResolvers<void>();
    const tool = await mcpTool(
      "held",
      async () => {
        if (calls++ === 0) await held.promise;
        return { content: [] };
      },
      { maxConcurrency: 1 },
    );
    const { ask, upstream } = await callingKey(tool);
    const first = ask(1);
    await expect.poll(() => calls).toBe(1);
    const gone = new AbortController();
    const second = ask(8, gone.signal).catch((error: unknown) => error);
    await expect.poll(() => upstream.requests.length).toBe(2);
    await pause(100);
    gone.abort();
    expect(await second).toBeInstanceOf(Error);
    const third = ask(1);
    await pause(100);
    held.resolve();
    await Promise.all([first, third]);
    expect(
      results(upstream).filter((text) => text === "(no content)").length,
    ).toBeGreaterThanOrEqual(2);
    // On workerd a client that leaves before the first byte is not noticed: its calls may be run.
    expect(calls).toBeLessThanOrEqual(proxy.target === "workerd" ? 10 : 2);
  });
});

describe("a server at a URL", () => {
  it("gets at most 16 calls at the same time, whatever its tools are", async () => {
    const tool = await mcpTool("slow", slow(300));
    const { upstream, ask } = await callingKey(tool);
    await Promise.all([ask(8), ask(8), ask(8)]);
    expect(tool.server.running.most).toBe(16);
    expect(results(upstream)).toEqual(Array.from({ length: 24 }, () => "done"));
  });
});

describe("one answer of a model", () => {
  it("has 8 of its calls run at the same time and no more, and all of them in the end", async () => {
    const held = Promise.withResolvers<void>();
    const tool = await mcpTool("held", async () => {
      await held.promise;
      return { content: [{ type: "text", text: "done" }] };
    });
    const { upstream, ask } = await callingKey(tool);
    const answer = ask(20);
    await expect.poll(() => tool.server.running.most, { timeout: 10_000 }).toBe(8);
    // A ninth would have come with the eighth.
    await pause(300);
    held.resolve();
    await answer;
    expect(tool.server.running.most).toBe(8);
    expect(results(upstream)).toEqual(Array.from({ length: 20 }, () => "done"));
  });
});
