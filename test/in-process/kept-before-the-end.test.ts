/** A client that has its whole answer can rely on the record of it, whatever becomes of the proxy. */
import { describe, expect, it, onTestFinished } from "vitest";
import { ask, keyWithAdd, post } from "../helpers/chat-turn.ts";
import { callTool } from "../helpers/mcp-http.ts";
import { here, proxy } from "../helpers/proxy.ts";
import { chunk, completion, events, startUpstream, toolCall } from "../helpers/upstream.ts";

/** Puts records nowhere until it is told to. */
function holdRecords() {
  const platform = here.inProcess?.platform;
  if (platform === undefined) throw new Error("The proxy is not in this process");
  const { keepRecord } = platform;
  const held = Promise.withResolvers<void>();
  const seen = { records: 0, release: held.resolve };
  platform.keepRecord = async (record) => {
    seen.records++;
    await held.promise;
    await keepRecord(record);
  };
  onTestFinished(() => {
    held.resolve();
    platform.keepRecord = keepRecord;
  });
  return seen;
}

const plainKey = async (...answers: Parameters<typeof startUpstream>) =>
  (await proxy.createKey({ openaiBaseUrl: (await startUpstream(...answers)).url })).key;

const said = events(chunk({ role: "assistant", content: "5" }), chunk({}, "stop"));
const toolKey = () =>
  keyWithAdd((name) => {
    const call = toolCall("c1", name, { a: 2, b: 3 });
    return [
      events(
        chunk({ role: "assistant", tool_calls: [{ index: 0, ...call }] }),
        chunk({}, "tool_calls"),
      ),
      said,
    ];
  });

const ANSWERS: Record<string, () => Promise<Response>> = {
  "a whole one": async () => post(await plainKey(completion({ content: "5" })), ask()),
  "a streamed one": async () => post(await plainKey(said), ask({ stream: true })),
  "one of a tool turn": async () => {
    const key = await keyWithAdd((name) => [
      completion({ tool_calls: [toolCall("c1", name, { a: 2, b: 3 })] }),
      completion({ content: "5" }),
    ]);
    return post(key.key, ask());
  },
  "a streamed one of a tool turn": async () => post((await toolKey()).key, ask({ stream: true })),
  "one that upstream refused": async () => {
    const refusing = await startUpstream(
      (_request, response) =>
        void response.writeHead(400, { "content-type": "application/json" }).end("{}"),
    );
    return post((await proxy.createKey({ openaiBaseUrl: refusing.url })).key, ask());
  },
  "one of the MCP router": async () => {
    const { key, name } = await toolKey();
    const answered = await callTool(key, name, { a: 2, b: 3 });
    return Response.json(answered);
  },
};

describe("an answer does not end before its record is kept", () => {
  it.each(Object.entries(ANSWERS))("%s", async (_title, answer) => {
    const seen = holdRecords();
    const ended = answer().then((response) => response.text());
    await expect.poll(() => seen.records, { timeout: 10_000 }).toBe(1);
    const pause = new Promise<string>((resolve) => setTimeout(() => resolve("not yet"), 200));
    expect(await Promise.race([ended, pause])).toBe("not yet");
    seen.release();
    expect(await ended).not.toBe("");
  });

  it("and the last event of a tool turn's stream is behind it too", async () => {
    const seen = holdRecords();
    const { key } = await toolKey();
    const response = await post(key, ask({ stream: true }));
    const text = { soFar: "" };
    const read = (async () => {
      for await (const bytes of response.body ?? []) text.soFar += new TextDecoder().decode(bytes);
    })();
    await expect.poll(() => text.soFar, { timeout: 10_000 }).toContain('"5"');
    await expect.poll(() => seen.records, { timeout: 10_000 }).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(text.soFar).not.toContain("[DONE]");
    seen.release();
    await read;
    expect(text.soFar).toContain("[DONE]");
  });
});
