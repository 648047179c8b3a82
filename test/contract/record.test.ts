import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { completion, startUpstream, toolCall } from "../helpers/upstream.ts";

describe("the record", () => {
  it("keeps what databases cannot hold: NUL, and half a surrogate pair", async () => {
    const odd = "a\u0000b\ud83cc";
    const echo = await proxy.createTool({
      name: "echo",
      type: "function",
      parameters: { type: "object", properties: { text: { type: "string" } } },
      implementation:
        "console.log(args.text); if (args.fail) throw new Error(args.text); return args.text;",
    });
    const upstream = await startUpstream(
      completion({
        content: odd,
        tool_calls: [
          toolCall("call_1", echo.name, { text: odd }),
          toolCall("call_\u0000\ud83c", echo.name, { text: odd, fail: true }),
        ],
      }),
      completion({ content: odd }, { model: odd }),
    );
    const { key } = await proxy.createKey({ toolIds: [echo.id], openaiBaseUrl: upstream.url });
    const { response } = await proxy
      .client(key)
      .chat.completions.create({ model: odd, messages: [{ role: "user", content: odd }] })
      .withResponse();
    const conversation = await proxy.conversation(
      response.headers.get("x-proxy-conversation-id") ?? "",
    );
    expect(conversation).toMatchObject({
      status: "completed",
      title: "ab\ufffdc",
      toolExecutionCount: 2,
    });
    expect(conversation.messages[0]?.content).toBe(odd);
    expect(conversation.messages.at(-1)?.content).toBe(`${odd}\n\n${odd}`);
    expect(conversation.toolExecutions.filter(({ error }) => error === null)).toHaveLength(1);
  });

  it("adds the figures of a conversation up, and lists it first", async () => {
    const upstream = await startUpstream(completion({ content: "one" }));
    const { key, id } = await proxy.createKey({ openaiBaseUrl: upstream.url, name: "counted" });
    const ids: string[] = [];
    for (const content of ["first", "second"]) {
      const asked = proxy
        .client(key)
        .chat.completions.create({ model: "gpt-test", messages: [{ role: "user", content }] });
      const { response } = await asked.withResponse();
      ids.push(response.headers.get("x-proxy-conversation-id") ?? "");
    }
    for (const conversation of ids) await proxy.conversation(conversation);
    const list = (await (await proxy.admin(`/conversations?apiKeyId=${id}`)).json()) as {
      data: Record<string, unknown>[];
    };
    expect(list.data.map((row) => row["id"])).toEqual(ids.toReversed());
    expect(list.data[0]).toMatchObject({
      apiKeyName: "counted",
      title: "second",
      messageCount: 2,
      promptTokens: 10,
      completionTokens: 5,
      totalTokens: 15,
    });
  });
});
