/** What a model sees of images, sounds and other content that its tools give. */
import { describe, expect, it } from "vitest";
import {
  audio,
  conversation,
  dataUrl,
  gives,
  image,
  looks,
  roles,
  sent,
  shown,
  text,
} from "../helpers/looking-model.ts";
import {
  GIF,
  JPEG,
  largePng,
  MP3,
  PNG,
  WAV,
  WEBP,
  type McpAnswer,
} from "../helpers/media-server.ts";
import { proxy } from "../helpers/proxy.ts";
import { startUpstream } from "../helpers/upstream.ts";

describe("images of tools", () => {
  it("are shown to a model that takes them, after all results of the round, each under the name of its call", async () => {
    const { tool, upstream, ask } = await conversation(
      gives(text("a chart"), image()),
      looks("call_1", "call_2"),
    );
    await ask("Look twice.");
    const messages = sent(upstream, 1);
    expect(roles(messages)).toEqual(["user", "assistant", "tool", "tool", "user"]);
    expect(messages[2]).toEqual({
      role: "tool",
      tool_call_id: "call_1",
      content: "a chart\n[image 2: image/png, 70 B]",
    });
    expect(shown(messages[4])).toEqual(
      ["call_1", "call_2"].flatMap((id) => [
        `[from the result of the tool ${tool.name}, call ${id}: image 2: image/png, 70 B]`,
        dataUrl(PNG),
      ]),
    );
  });

  it("are shown in a stream too, and the client sees nothing of it", async () => {
    const stream = (tool: string) => looks("call_1")(tool);
    const { upstream, ask } = await conversation(gives(image()), stream);
    const { body } = await ask("Look.", { stream: true });
    expect(roles(sent(upstream, 1))).toEqual(["user", "assistant", "tool", "user"]);
    expect(body).toContain("I see.");
    expect(body).not.toContain(PNG.slice(0, 20));
    expect(body).not.toContain("from the result");
  });

  it("are named only to a model that takes none, and to one that nobody knows", async () => {
    for (const model of ["gpt-3.5-turbo", "o3-mini", "some-model"]) {
      const { upstream, ask } = await conversation(gives(image()), looks("call_1"));
      await ask("Look.", { model });
      const messages = sent(upstream, 1);
      expect(roles(messages), model).toEqual(["user", "assistant", "tool"]);
      expect(messages[2]?.["content"]).toBe("[image 1: image/png, 70 B]");
    }
  });

  it("are shown to a model that nobody knows where its client sends it images itself", async () => {
    const { upstream, ask } = await conversation(gives(image()), looks("call_1"));
    const own = { type: "image_url", image_url: { url: "https://example.com/cat.png" } };
    await ask([{ role: "user", content: [text("Compare."), own] }], { model: "some-model" });
    expect(roles(sent(upstream, 1))).toEqual(["user", "assistant", "tool", "user"]);
  });

  it("are what their bytes say, whatever their server calls them, and others stay names", async () => {
    const svg = Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'/>").toString("base64");
    const blob = (data: string, mimeType: string) => ({
      type: "resource",
      resource: { uri: "file:///x", mimeType, blob: data },
    });
    const content = [
      image(JPEG, "image/png"),
      image(GIF, "image/gif"),
      image(WEBP, ""),
      image(svg, "image/svg+xml"),
      image(svg, "image/png"),
      image("no base64!", "image/png"),
      blob(PNG, "image/png"),
      blob(svg, "image/svg+xml"),
      blob(PNG, "application/pdf"),
      {
        type: "resource_link",
        name: "chart",
        uri: "https://example.com/chart.png",
        mimeType: "image/png",
      },
    ];
    const { upstream, ask } = await conversation(gives(...content), looks("call_1"));
    await ask("Look.");
    const messages = sent(upstream, 1);
    expect(messages[2]?.["content"]).toBe(
      [
        "[image 1: image/jpeg, 12 B]",
        "[image 2: image/gif, 14 B]",
        "[image 3: image/webp, 16 B]",
        "[image 4: image/svg+xml, 41 B]",
        "[image 5: image/png, 41 B]",
        "[image 6: image/png, 7 B]",
        "[resource file:///x: image/png, 70 B]",
        "[resource file:///x: image/svg+xml, 41 B]",
        "[resource file:///x (application/pdf), 70 B]",
        "[resource_link chart https://example.com/chart.png image/png]",
      ].join("\n"),
    );
    const images = shown(messages[3]).filter((part) => part.startsWith("data:"));
    expect(images).toEqual([
      dataUrl(JPEG, "image/jpeg"),
      dataUrl(GIF, "image/gif"),
      dataUrl(WEBP, "image/webp"),
      dataUrl(PNG),
    ]);
  });

  it("are shown up to eight in a round and 5 MB each, and the model is told which it does not see", async () => {
    const content = [image(largePng(4_000_000)), ...Array.from({ length: 8 }, () => image())];
    const { upstream, ask } = await conversation(gives(...content), looks("call_1"));
    await ask("Look.");
    const messages = sent(upstream, 1);
    const result = String(messages[2]?.["content"]);
    expect(result).toContain(
      "[image 1: image/png, 4.0 MB: not shown to you, because it is larger than 5 MB]",
    );
    expect(shown(messages[3]).filter((part) => part.startsWith("data:"))).toHaveLength(8);
    const many = await conversation(
      gives(...Array.from({ length: 10 }, () => image())),
      looks("call_1"),
    );
    await many.ask("Look.");
    const [, , told, user] = sent(many.upstream, 1);
    expect(String(told?.["content"]).match(/not shown to you/g)).toHaveLength(2);
    expect(shown(user).filter((part) => part.startsWith("data:"))).toHaveLength(8);
  });

  it("of a call that failed are shown with its error", async () => {
    const { upstream, ask } = await conversation(
      () => ({ isError: true, content: [text("the page did not load"), image()] }),
      looks("call_1"),
    );
    await ask("Look.");
    const messages = sent(upstream, 1);
    expect(messages[2]?.["content"]).toBe(
      "Error: the page did not load\n[image 2: image/png, 70 B]",
    );
    expect(shown(messages[3])).toContain(dataUrl(PNG));
  });
});

describe("the image of a server that nobody here wrote", () => {
  it("is shown to the model", async () => {
    const mcpServerCommand = "npx @modelcontextprotocol/server-everything";
    const parameters = { type: "object", properties: {} };
    const tool = await proxy.createTool({
      name: "tiny",
      type: "mcp",
      mcpToolName: "get-tiny-image",
      mcpServerCommand,
      parameters,
    });
    const upstream = await startUpstream(...looks("call_1")(tool.name));
    const { key } = await proxy.createKey({ toolIds: [tool.id], openaiBaseUrl: upstream.url });
    const { choices } = await proxy.client(key).chat.completions.create({
      model: "gpt-4.1-mini",
      messages: [{ role: "user", content: "Look." }],
    });
    expect(choices[0]?.message.content).toBe("I see.");
    const messages = sent(upstream, 1);
    expect(messages[2]?.["content"]).toMatch(/\[image 2: image\/png, [\d.]+ kB\]/);
    expect(shown(messages[3])[1]).toMatch(/^data:image\/png;base64,iVBORw0KGgo/);
  });
});

describe("sounds of tools", () => {
  it("are played to a model that takes sound, and named only to one that takes images", async () => {
    const content = [audio(), audio(MP3, "audio/mpeg"), audio("T2dnUw==", "audio/ogg")];
    const { upstream, ask } = await conversation(gives(...content), looks("call_1"));
    await ask("Listen.", { model: "gpt-audio" });
    const messages = sent(upstream, 1);
    expect(messages[2]?.["content"]).toBe(
      "[audio 1: audio/wav, 16 B]\n[audio 2: audio/mp3, 8 B]\n[audio 3: audio/ogg, 4 B]",
    );
    expect(shown(messages[3]).filter((_part, index) => index % 2 === 1)).toEqual([
      `wav: ${WAV}`,
      `mp3: ${MP3}`,
    ]);
    const deaf = await conversation(gives(...content), looks("call_1"));
    await deaf.ask("Listen.");
    expect(roles(sent(deaf.upstream, 1))).toEqual(["user", "assistant", "tool"]);
  });
});

describe("other content of tools", () => {
  it.each<[string, unknown, string]>([
    [
      "text for the user only is left out",
      { content: [{ ...text("for you"), annotations: { audience: ["user"] } }, text("both")] },
      "both",
    ],
    [
      "structured content stands in for text that is not there",
      { content: [image("", "")], structuredContent: { a: 1 } },
      '[image 1: unknown type, 0 B]\n{"a":1}',
    ],
    [
      "structured content beside text is not said twice",
      { content: [text('{"a":1}')], structuredContent: { a: 1 } },
      '{"a":1}',
    ],
    ["nothing is said to be nothing", { content: [] }, "(no content)"],
    [
      "an unknown block is shown as it is",
      { content: [{ type: "hologram", x: 1 }] },
      '{"type":"hologram","x":1}',
    ],
    ["terminal colours are taken off", { content: [text("\u001b[31mred\u001b[0m\u0000")] }, "red"],
  ])("%s", async (_title, result, said) => {
    const { upstream, ask } = await conversation(() => result, looks("call_1"));
    await ask("Look.", { model: "gpt-3.5-turbo" });
    expect(sent(upstream, 1)[2]?.["content"]).toBe(said);
  });

  it("a result of megabytes is cut at 64 kB, and says so, and so is an error", async () => {
    for (const isError of [false, true]) {
      const { upstream, ask } = await conversation(
        () => ({ content: [text("ü".repeat(1_000_000))], isError }),
        looks("call_1"),
      );
      await ask("Look.");
      const content = String(sent(upstream, 1)[2]?.["content"]);
      expect(Buffer.byteLength(content)).toBeLessThan(66_000);
      expect(content).toMatch(
        /\[cut: the result had 200\d{4} bytes, of which the first 65536 are shown\]$/,
      );
      expect(content.startsWith(isError ? "Error: ü" : "ü")).toBe(true);
    }
  });
});

describe("a tool that fails", () => {
  it.each<[string, McpAnswer, RegExp]>([
    [
      "with an error of the protocol",
      () => {
        throw new Error("no such row");
      },
      /^Error: The MCP server http:.* answered with an error: .*no such row/,
    ],
    [
      "by breaking the connection",
      (_args, response) => response.destroy(),
      /^Error: The MCP server http:.*(?:cannot be reached|did not finish)/,
    ],
    [
      "with a page in the place of an answer",
      (_args, response) => response.writeHead(502).end("<h1>Bad Gateway</h1>"),
      /^Error: The MCP server .*502/,
    ],
    [
      "by taking too long",
      () => new Promise(() => {}),
      /^Error: The tool look .*longer than 0\.5 s/,
    ],
  ])(
    "%s has a result for each of its calls, which says what is wrong",
    async (_title, answer, told) => {
      const { upstream, ask } = await conversation(answer, looks("call_1", "call_2"), {
        timeoutMs: 500,
      });
      await ask("Look.");
      const messages = sent(upstream, 1);
      expect(messages.map(({ role, tool_call_id: id }) => id ?? role)).toEqual([
        "user",
        "assistant",
        "call_1",
        "call_2",
      ]);
      for (const message of messages.slice(2)) expect(message["content"]).toMatch(told);
    },
  );
});
