/** Calls of one key's functions that never end: those of another key are answered all the same. */
import { readdirSync } from "node:fs";
import { expect, it } from "vitest";
import { MEASURED } from "../helpers/measured.ts";
import { adminCall, chat, dataDirectory } from "../helpers/own-proxy.ts";
import { stormLength } from "../helpers/storm-length.ts";
import { completion, startUpstream, toolCall } from "../helpers/upstream.ts";

const REQUESTS = 25;
const CALLS_PER_REQUEST = 8;
const TOOLS = 12;
/** What threads of functions may add at most: eight, and what Node starts for each. */
const MAX_THREADS_MORE = 24;

const IMPLEMENTATIONS: Record<string, string> = {
  "never end": "for (;;);",
  "take 64 MB each, and never end":
    "const kept = []; try { for (;;) kept.push('x'.repeat(1e6) + kept.length); } catch {} for (;;);",
  "call themselves":
    "const again = () => { try { again(); } catch {} again(); }; for (;;) again();",
};

const threadsOf = (pid: number | undefined) => readdirSync(`/proc/${pid}/task`).length;

/** A key with tools, and a model that calls them. */
async function startKey(url: string, implementations: string[]) {
  const tools = await Promise.all(
    implementations.map((implementation, index) => {
      const name = `t${index}_${crypto.randomUUID().slice(0, 8)}`;
      const parameters = { type: "object" };
      const tool = { name, type: "function", parameters, implementation, timeoutMs: 5000 };
      return adminCall<{ id: string; name: string }>(url, "/tools", tool);
    }),
  );
  const answered: string[] = [];
  const upstream = await startUpstream((request, response) => {
    const messages = request.json()["messages"] as { role: string; content: string }[];
    const result = messages.find(({ role }) => role === "tool");
    if (result !== undefined) answered.push(result.content);
    const calls = Array.from({ length: CALLS_PER_REQUEST }, (_, index) =>
      toolCall(`call_${index}`, tools[index % tools.length]?.name ?? "", {}),
    );
    const message = result === undefined ? { tool_calls: calls } : { content: "gave up" };
    return completion(message)(request, response);
  });
  const { key } = await adminCall<{ key: string }>(url, "/api-keys", {
    name: "k",
    openaiBaseUrl: upstream.url,
    toolIds: tools.map(({ id }) => id),
  });
  return { key, answered };
}

it.each(Object.entries(IMPLEMENTATIONS))(
  "another key's function is answered within a second beside 200 that %s",
  MEASURED,
  async (_title, implementation) => {
    const proxy = await dataDirectory().start();
    const url = proxy.captured;
    const other = await startKey(url, ["return 'quick';"]);
    await (await chat(url, other.key)).text();
    const startedAt = performance.now();
    await (await chat(url, other.key)).text();
    const aloneMs = performance.now() - startedAt;
    const threads = threadsOf(proxy.child.pid);
    const codes = Array.from({ length: TOOLS }, (_, index) => `${implementation} // ${index}`);
    const attacker = await startKey(url, codes);
    const leaving = new AbortController();
    const attacks = Array.from({ length: REQUESTS }, () =>
      fetch(`${url}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${attacker.key}`, "content-type": "application/json" },
        body: JSON.stringify({ model: "m", messages: [{ role: "user", content: "go" }] }),
        signal: leaving.signal,
      }).catch(() => null),
    );
    const times: number[] = [];
    for (let asked = 0; asked < stormLength({ ci: 3, soak: 200 }); asked++) {
      await new Promise((resolve) => setTimeout(resolve, 500));
      const askedAt = performance.now();
      await (await chat(url, other.key)).text();
      times.push(performance.now() - askedAt);
    }
    const most = threadsOf(proxy.child.pid);
    leaving.abort();
    await Promise.all(attacks);
    expect(other.answered.at(-1)).toBe("quick");
    expect(Math.max(...times)).toBeLessThan(aloneMs + 1000);
    expect(most).toBeLessThanOrEqual(threads + MAX_THREADS_MORE);
  },
);
