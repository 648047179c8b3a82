import { describe, expect, it } from "vitest";
import { suggestNames } from "../../src/tools/mcp/suggest-name.ts";

const FILES = {
  place: { command: "npx -y @modelcontextprotocol/server-filesystem@2026.8.31 /tmp" },
};

describe("names for the tools of MCP servers", () => {
  it.each([
    ["npx -y @modelcontextprotocol/server-filesystem@2026.8.31 /tmp", "server-filesystem__a"],
    ["npx some-server", "some-server__a"],
    ["npx -p @scope/pack@latest start", "pack__a"],
    ["uvx mcp-server-fetch==1.0", "mcp-server-fetch__a"],
    ["uvx --from git+https://example.com/a/tools.git@main tool", "tools__a"],
  ])("begin with the package of %s", (command, name) => {
    expect(suggestNames({ place: { command } }, ["a"])).toEqual([name]);
  });

  it("begin with the host of a URL, or with what the operator calls the server", () => {
    const place = { url: "https://mcp.example.com:8443/v1/mcp?key=secret" };
    expect(suggestNames({ place }, ["search"])).toEqual(["mcp_example_com__search"]);
    expect(suggestNames({ place, name: "my search" }, ["search"])).toEqual(["my_search__search"]);
    expect(suggestNames({ place, name: "поиск" }, ["search"])).toEqual(["mcp__search"]);
  });

  it("are ones that OpenAI takes, however tools are called", () => {
    const tools = [
      "a.b",
      "a/b",
      "a_b",
      "x".repeat(100),
      "x".repeat(101),
      "",
      "ünïcode",
      "read file",
    ];
    const names = suggestNames(FILES, tools);
    for (const name of names) expect(name).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
    expect(new Set(names).size).toBe(tools.length);
    expect(names[0]).toMatch(/^server-filesystem__a_b_[0-9a-f]{8}$/);
    expect(names[2]).toBe("server-filesystem__a_b");
    expect(names[3]).toMatch(/^server-filesystem__x{30,}_[0-9a-f]{8}$/);
  });

  it("do not depend on what other tools there are, nor on their order", () => {
    const tools = ["a.b", "a/b", "list", "x".repeat(80)];
    const names = new Map(suggestNames(FILES, tools).map((name, index) => [tools[index], name]));
    for (const tool of tools.toReversed())
      expect(suggestNames(FILES, [tool])).toEqual([names.get(tool)]);
    expect(suggestNames(FILES, tools.toReversed())).toEqual(
      tools.toReversed().map((tool) => names.get(tool)),
    );
  });

  it("of two servers with the same word differ where they had to be changed", () => {
    const other = { place: { command: `${FILES.place.command}2` } };
    expect(suggestNames(FILES, ["a.b"])).not.toEqual(suggestNames(other, ["a.b"]));
  });

  it("are different ones even where a server lists a tool twice", () => {
    const names = suggestNames(FILES, ["a", "a", "a"]);
    expect(new Set(names).size).toBe(3);
    expect(names[0]).toBe("server-filesystem__a");
  });
});
