import { createParser } from "eventsource-parser";
import { describe, expect, it, onTestFinished } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { startRecorder } from "../helpers/recorded.ts";
import { completion, json } from "../helpers/upstream.ts";

interface LiveEvent {
  event: string;
  id: string;
  row: { id: string; turnCount: number; status: string };
}

interface Listener {
  events: LiveEvent[];
  comments: string[];
  /** Waits for an event. */
  next(wanted: (event: LiveEvent) => boolean): Promise<LiveEvent>;
  leave(): Promise<void>;
}

/** Listens, and resolves as soon as nothing that happens from now on can be missed. */
async function listen(query: string, headers: Record<string, string> = {}): Promise<Listener> {
  const gone = new AbortController();
  onTestFinished(() => gone.abort());
  const answer = await fetch(`${proxy.url}/api/admin/conversations/live?${query}`, {
    headers: { authorization: `Bearer ${await token()}`, ...headers },
    signal: gone.signal,
  });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toMatch(/^text\/event-stream/);
  const events: LiveEvent[] = [];
  const comments: string[] = [];
  const parser = createParser({
    onEvent: ({ event, id, data }) =>
      events.push({ event: event ?? "", id: id ?? "", row: JSON.parse(data) as LiveEvent["row"] }),
    onComment: (comment) => comments.push(comment),
  });
  const decoder = new TextDecoder();
  const reading = (async () => {
    for await (const bytes of answer.body ?? [])
      parser.feed(decoder.decode(bytes, { stream: true }));
  })().catch((error: unknown) => {
    if (!gone.signal.aborted) throw error;
  });
  await expect.poll(() => comments.length, { timeout: 5000 }).toBeGreaterThan(0);
  return {
    events,
    comments,
    next: async (wanted) => {
      await expect.poll(() => events.some(wanted), { timeout: 10_000 }).toBe(true);
      return events.find(wanted) as LiveEvent;
    },
    leave: async () => {
      gone.abort();
      await reading;
    },
  };
}

let signedIn: Promise<string> | null = null;
async function token(): Promise<string> {
  return (signedIn ??= proxy
    .admin("/login", { json: { password: "a password for tests" } })
    .then(async (answer) => {
      return ((await answer.json()) as { token: string }).token;
    }));
}

describe("the live list of conversations", () => {
  it("shows each new conversation once, as the list would, to all who listen", async () => {
    const { keyId, converse } = await startRecorder({}, completion({ content: "hello" }));
    const before = await converse("before");
    const listeners = [await listen(`apiKeyId=${keyId}`), await listen(`apiKeyId=${keyId}`)];
    const id = await converse("after");
    for (const { next, events } of listeners) {
      const { event, row } = await next((shown) => shown.row.id === id);
      expect(event).toBe("conversation");
      const list = (await (
        await proxy.admin(`/conversations?apiKeyId=${keyId}&limit=1`)
      ).json()) as { data: unknown[] };
      expect(row).toEqual(list.data[0]);
      await new Promise((resolve) => setTimeout(resolve, 2500));
      expect(events.map((shown) => shown.row.id)).toEqual([id]);
      expect(events.map((shown) => shown.row.id)).not.toContain(before);
    }
  });

  it("shows a conversation again when it has gone on", async () => {
    const { keyId, key, converse } = await startRecorder({}, completion({ content: "hello" }));
    const { next } = await listen(`apiKeyId=${keyId}`);
    const id = await converse("first");
    await next(({ row }) => row.id === id);
    await fetch(`${proxy.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({
        model: "gpt-test",
        messages: [
          { role: "user", content: "first" },
          { role: "assistant", content: "hello" },
          { role: "user", content: "second" },
        ],
      }),
    }).then((answer) => answer.text());
    expect((await next(({ row }) => row.turnCount === 2)).row.id).toBe(id);
  });

  it("shows what the filter lets through, and nothing else", async () => {
    const error = { error: { message: "no", type: "x", param: null, code: null } };
    const { keyId, converse } = await startRecorder(
      {},
      completion({ content: "hello" }),
      json(error, 404),
    );
    const failures = await listen(`apiKeyId=${keyId}&status=failed&model=gpt-test&minDurationMs=0`);
    const others = await listen("tool=no_such_tool");
    await converse("works");
    const id = await converse("fails");
    await failures.next(({ row }) => row.id === id);
    expect(failures.events.map(({ row }) => row.status)).toEqual(["failed"]);
    expect(others.events).toEqual([]);
  });

  it("goes on where a listener left, by the id of the last event or by a time", async () => {
    const { keyId, converse } = await startRecorder({}, completion({ content: "hello" }));
    const first = await listen(`apiKeyId=${keyId}`);
    const seen = await converse("seen");
    const { id: lastEventId } = await first.next(({ row }) => row.id === seen);
    await first.leave();
    const missed = await converse("missed");
    const [byId, byTime] = [
      await listen(`apiKeyId=${keyId}`, { "last-event-id": lastEventId }),
      await listen(`apiKeyId=${keyId}&since=${encodeURIComponent(lastEventId)}`),
    ];
    expect((await byId.next(({ row }) => row.id === missed)).event).toBe("conversation");
    expect((await byTime.next(({ row }) => row.id === missed)).event).toBe("conversation");
  });

  it("refuses what cannot be, and whoever is not the operator", async () => {
    expect((await proxy.admin("/conversations/live?since=now")).status).toBe(400);
    expect((await proxy.admin("/conversations/live?status=odd")).status).toBe(400);
    expect((await fetch(`${proxy.url}/api/admin/conversations/live`)).status).toBe(401);
  });
});
