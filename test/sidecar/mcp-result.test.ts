import { describe, expect, it } from "vitest";
import { readMcpResult, toolResultOf } from "../../src/tools/mcp/mcp-result.ts";

const textOf = (...content: unknown[]) => readMcpResult({ content }).text;

describe("an MCP result as the model reads it", () => {
  it("is the joined text of its blocks", () => {
    expect(
      readMcpResult({
        content: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
      }),
    ).toMatchObject({ text: "a\nb", isError: false, media: [] });
  });

  it("keeps the full text of a failure", () => {
    const failed = readMcpResult({
      isError: true,
      content: [{ type: "text", text: "ENOENT: no such file" }],
    });
    expect(failed).toMatchObject({ text: "ENOENT: no such file", isError: true });
    expect(toolResultOf(failed)).toMatchObject({
      text: "Error: ENOENT: no such file",
      error: "ENOENT: no such file",
    });
  });

  it("names images and audio with their type and decoded size", () => {
    const image = {
      type: "image",
      mimeType: "image/png",
      data: Buffer.alloc(4_000).toString("base64"),
    };
    expect(
      textOf({ type: "text", text: "see" }, image, {
        type: "audio",
        mimeType: "audio/wav",
        data: "AAA=",
      }),
    ).toBe("see\n[image 2: image/png, 4.0 kB]\n[audio 3: audio/wav, 2 B]");
  });

  it("shows resources with their address, and links without fetching them", () => {
    expect(
      textOf({
        type: "resource",
        resource: { uri: "file:///a", mimeType: "text/plain", text: "hello" },
      }),
    ).toBe("[resource file:///a (text/plain)]\nhello");
    expect(textOf({ type: "resource", resource: { uri: "file:///b", blob: "AAAA" } })).toBe(
      "[resource file:///b, 3 B]",
    );
    expect(
      textOf({
        type: "resource_link",
        name: "n",
        uri: "x://y",
        mimeType: "text/csv",
        description: "Sales",
      }),
    ).toBe("[resource_link n x://y text/csv — Sales]");
  });

  it("leaves out what is for the user only", () => {
    const block = (audience: string[]) => ({
      type: "text",
      text: audience.join(),
      annotations: { audience },
    });
    expect(
      textOf(block(["user"]), block(["assistant"]), block(["user", "assistant"]), block([])),
    ).toBe("assistant\nuser,assistant\n");
  });

  it("uses structured content where there is no other", () => {
    expect(readMcpResult({ structuredContent: { a: 1 } }).text).toBe('{"a":1}');
    expect(readMcpResult({ content: [], structuredContent: [1] }).text).toBe("[1]");
    expect(
      readMcpResult({ content: [{ type: "text", text: "t" }], structuredContent: { a: 1 } }).text,
    ).toBe("t");
    expect(
      readMcpResult({ content: [{ type: "text", text: "" }], structuredContent: null }).text,
    ).toBe("\nnull");
    const image = { type: "image", mimeType: "image/x", data: "AAAA" };
    expect(readMcpResult({ content: [image], structuredContent: { a: 1 } }).text).toBe(
      '[image 1: image/x, 3 B]\n{"a":1}',
    );
  });

  it("survives what no specification allows", () => {
    expect(textOf({ type: "hologram", x: 1 })).toBe('{"type":"hologram","x":1}');
    expect(textOf({ type: "constructor" })).toBe('{"type":"constructor"}');
    expect(textOf(null, 1, { type: "text" }, { type: "image" }, { type: "resource" })).toBe(
      "\n[image 2: unknown type, 0 B]\n[resource , 0 B]",
    );
    for (const nothing of [undefined, null, "text", {}, { content: "text" }, { content: [] }])
      expect(readMcpResult(nothing)).toMatchObject({
        text: "(no content)",
        isError: false,
        media: [],
      });
  });

  it("strips terminal colours and control characters, and keeps lines and tabs", () => {
    expect(textOf({ type: "text", text: "\u001b[31mred\u001b[0m\u0000\tx\r\ny" })).toBe(
      "red\tx\r\ny",
    );
    expect(
      textOf({
        type: "text",
        text: "\u001b]8;;https://a.b\u0007link\u001b]8;;\u001b\\!\u001b[?25l\u009b1m.",
      }),
    ).toBe("link!1m.");
    expect(textOf({ type: "image", mimeType: "image/\u001b[31mred", data: "" })).toBe(
      "[image 1: image/red, 0 B]",
    );
  });

  it("cuts a block that nobody knows, whatever is in it", () => {
    const text = textOf({ type: "hologram", data: "A".repeat(1_000_000) });
    expect(text.length).toBeLessThan(4100);
    expect(text).toMatch(
      /^\{"type":"hologram","data":"A+… \[cut: the block had 1000029 characters\]$/,
    );
  });

  it("keeps what the server sent for those who speak MCP, what is for the user included", () => {
    const content = [
      { type: "text", text: "t", annotations: { audience: ["user"] } },
      { type: "hologram" },
    ];
    const result = {
      content,
      structuredContent: { a: 1 },
      isError: true,
      _meta: { secret: 1 },
      resultType: "complete",
    };
    expect(readMcpResult(result).raw).toEqual({
      content,
      structuredContent: { a: 1 },
      isError: true,
    });
    expect(readMcpResult({ content: "none" }).raw).toEqual({ content: [] });
  });
});

const base64 = (...bytes: (number | string)[]) =>
  Buffer.concat(
    bytes.map((part) =>
      typeof part === "number" ? Buffer.from([part]) : Buffer.from(part, "latin1"),
    ),
  ).toString("base64");

const PNG = base64(0x89, "PNG\r\n", 0x1a, "\n", "and more");
const JPEG = base64(0xff, 0xd8, 0xff, 0xe0, "and more");

describe("an image or a sound for a model", () => {
  const mediaOf = (...content: unknown[]) => readMcpResult({ content }).media;
  const image = (data: unknown, mimeType: unknown = "image/png") => ({
    type: "image",
    data,
    mimeType,
  });

  it.each([
    ["image", PNG, "image/png"],
    ["image", JPEG, "image/jpeg"],
    ["image", base64("GIF87a and more"), "image/gif"],
    ["image", base64("GIF89a and more"), "image/gif"],
    ["image", base64("RIFF1234WEBPVP8 "), "image/webp"],
    ["audio", base64("RIFF1234WAVEfmt "), "audio/wav"],
    ["audio", base64("ID3", 4, 0, "and more"), "audio/mp3"],
    ["audio", base64(0xff, 0xfb, 0x90, "and more"), "audio/mp3"],
  ] as const)("is known by its first bytes: %s %s is %s", (type, data, mediaType) => {
    const [media] = mediaOf({ type, data, mimeType: "application/octet-stream" });
    expect(media).toMatchObject({ kind: type, mediaType, data });
    expect(media?.label).toMatch(new RegExp(`^${type} 1: ${mediaType}, \\d+ B$`));
  });

  it.each([
    ["SVG", image(base64("<svg></svg>"), "image/svg+xml")],
    ["SVG that is called PNG", image(base64("<svg></svg>"))],
    ["HTML", image(base64("<!doctype html>"))],
    ["BMP", image(base64("BM and more"), "image/bmp")],
    ["AVI and other RIFF", image(base64("RIFF1234AVI and more"))],
    ["a sound that is called an image", image(base64("RIFF1234WAVEfmt "))],
    ["an image that is called a sound", { type: "audio", data: PNG, mimeType: "audio/wav" }],
    ["AAC", { type: "audio", data: base64(0xff, 0xf1, "and more"), mimeType: "audio/mpeg" }],
    ["nothing", image("")],
    ["no text", image(42)],
    ["no base64", image(`${PNG}!`)],
    ["a length that base64 cannot have", image("A".repeat(17))],
    ["one for the user only", { ...image(PNG), annotations: { audience: ["user"] } }],
    [
      "a file in a resource",
      { type: "resource", resource: { uri: "x:y", blob: PNG, mimeType: "application/pdf" } },
    ],
    [
      "a resource of which only the address is there",
      { type: "resource_link", uri: "https://a.b/c.png", mimeType: "image/png", name: "c" },
    ],
  ])("is not made of %s", (_what, block) => {
    expect(mediaOf(block)).toEqual([]);
  });

  it("is spelled as JSON APIs take it, however the server spelled it", () => {
    const bytes = base64(0x89, "PNG\r\n", 0x1a, "\n", 0xfb, 0xff, 0xfe, "x");
    const url = bytes.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    for (const data of [
      bytes,
      url,
      `data:image/png;base64,${bytes}`,
      bytes.replace(/(.{4})/g, "$1\r\n"),
      ` ${bytes}\n`,
    ])
      expect(mediaOf(image(data)), data).toMatchObject([{ mediaType: "image/png", data: bytes }]);
  });

  it("may be embedded as a resource", () => {
    const result = readMcpResult({
      content: [
        { type: "resource", resource: { uri: "file:///a.png", mimeType: "image/png", blob: JPEG } },
      ],
    });
    expect(result.text).toBe("[resource file:///a.png: image/jpeg, 12 B]");
    expect(result.media).toMatchObject([
      { kind: "image", mediaType: "image/jpeg", label: "resource file:///a.png: image/jpeg, 12 B" },
    ]);
  });
});
