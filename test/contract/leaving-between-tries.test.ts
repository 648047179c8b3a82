import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { ask, keyWithAdd } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { chunk, completion, events, json, toolCall, type Answer } from "../helpers/upstream.ts";

/** How long upstream tells the proxy to wait, in seconds. */
const RETRY_AFTER_S = 4;

const busy = json({ error: { message: "busy", type: "rate_limit_error" } }, 429, {
  "retry-after": String(RETRY_AFTER_S),
});

function callsAdd(name: string, stream: boolean): Answer {
  const call = toolCall("c1", name, { a: 2, b: 3 });
  if (!stream)
    return completion({ content: null, tool_calls: [call] }, { finish_reason: "tool_calls" });
  return events(
    chunk({ role: "assistant", content: "Let me add." }),
    chunk({ tool_calls: [{ index: 0, ...call }] }),
    chunk({}, "tool_calls"),
  );
}

interface Row {
  title: string;
  status: string;
}

async function rowTitled(title: string, apiKeyId: string): Promise<Row | undefined> {
  const answer = await proxy.admin(`/conversations?apiKeyId=${apiKeyId}`);
  const { data } = (await answer.json()) as { data: Row[] };
  return data.find((row) => row.title === title);
}

describe("a client that leaves while a later round waits to be tried again", () => {
  // On workerd nobody knows of a client to whom nothing was written yet.
  it.each(proxy.target === "workerd" ? [true] : [true, false])(
    "has the turn cancelled: upstream is not asked again (streamed: %s)",
    async (stream) => {
      const { id, key, upstream } = await keyWithAdd((name) => [
        callsAdd(name, stream),
        busy,
        stream
          ? events(chunk({ role: "assistant", content: "5" }), chunk({}, "stop"))
          : completion({ content: "5" }),
      ]);
      const title = `leaves between tries (${stream}) ${crypto.randomUUID()}`;
      const leave = new AbortController();
      const body = ask({ stream, messages: [{ role: "user", content: title }] });
      const left = fetch(`${proxy.url}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify(body),
        signal: leave.signal,
      })
        .then((response) => response.text())
        .catch((error: Error) => error.name);
      await expect.poll(() => upstream.requests.length).toBe(2);
      await pause(300);
      leave.abort();
      expect(await left).toBe("AbortError");
      await pause(RETRY_AFTER_S * 1000 + 500);
      expect(upstream.requests).toHaveLength(2);
      await expect.poll(() => rowTitled(title, id)).toMatchObject({ status: "cancelled" });
    },
  );
});
