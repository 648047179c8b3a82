import { describe, expect, it } from "vitest";
import { readMcpResult } from "../../src/tools/mcp-result.ts";

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
    ).toEqual({ text: "a\nb", isError: false });
  });

  it("keeps the full text of a failure", () => {
    expect(readMcpResult({ isError: true, content: [{ type: "text", text: "ENOENT: no such file" }] })).toEqual({
      text: "ENOENT: no such file",
      isError: true,
    });
  });

  it("names images and audio with their type and decoded size", () => {
    const image = { type: "image", mimeType: "image/png", data: Buffer.alloc(4_000).toString("base64") };
    expect(textOf({ type: "text", text: "see" }, image, { type: "audio", mimeType: "audio/wav", data: "AAA=" })).toBe(
      "see\n[image 2: image/png, 4.0 kB]\n[audio 3: audio/wav, 2 B]",
    );
  });

  it("shows resources with their address, and links without fetching them", () => {
    expect(textOf({ type: "resource", resource: { uri: "file:///a", mimeType: "text/plain", text: "hello" } })).toBe(
      "[resource file:///a (text/plain)]\nhello",
    );
    expect(textOf({ type: "resource", resource: { uri: "file:///b", blob: "AAAA" } })).toBe("[resource file:///b, 3 B]");
    expect(textOf({ type: "resource_link", name: "n", uri: "x://y", mimeType: "text/csv", description: "Sales" })).toBe(
      "[resource_link n x://y text/csv — Sales]",
    );
  });

  it("leaves out what is for the user only", () => {
    const block = (audience: string[]) => ({ type: "text", text: audience.join(), annotations: { audience } });
    expect(textOf(block(["user"]), block(["assistant"]), block(["user", "assistant"]), block([]))).toBe("assistant\nuser,assistant\n");
  });

  it("uses structured content where there is no other", () => {
    expect(readMcpResult({ structuredContent: { a: 1 } }).text).toBe('{"a":1}');
    expect(readMcpResult({ content: [], structuredContent: [1] }).text).toBe("[1]");
    expect(readMcpResult({ content: [{ type: "text", text: "t" }], structuredContent: { a: 1 } }).text).toBe("t");
  });

  it("survives what no specification allows", () => {
    expect(textOf({ type: "hologram", x: 1 })).toBe('{"type":"hologram","x":1}');
    expect(textOf({ type: "constructor" })).toBe('{"type":"constructor"}');
    expect(textOf(null, 1, { type: "text" }, { type: "image" }, { type: "resource" })).toBe(
      "\n[image 2: unknown type, 0 B]\n[resource , 0 B]",
    );
    for (const nothing of [undefined, null, "text", {}, { content: "text" }, { content: [] }])
      expect(readMcpResult(nothing)).toEqual({ text: "(no content)", isError: false });
  });

  it("strips terminal colours and control characters, and keeps lines and tabs", () => {
    expect(textOf({ type: "text", text: "\u001b[31mred\u001b[0m\u0000\tx\r\ny" })).toBe("red\tx\r\ny");
  });
});
