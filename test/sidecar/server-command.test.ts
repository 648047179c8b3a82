import { describe, expect, it } from "vitest";
import {
  identifyServer,
  labelServer,
  parseServerCommand,
  readLaunchedServer,
} from "../../src/tools/mcp/server-command.ts";

describe("a server command as an operator writes it", () => {
  it.each([
    [
      "npx @modelcontextprotocol/server-filesystem /path/to/allowed/directory",
      ["@modelcontextprotocol/server-filesystem", "/path/to/allowed/directory"],
    ],
    [
      'npx -y some-server "/path with space" \'and "this"\' a\\ b',
      ["-y", "some-server", "/path with space", 'and "this"', "a b"],
    ],
    ["  npx   some-server\t--glob *.txt ?", ["some-server", "--glob", "*.txt", "?"]],
    ["npx some-server -c config.json --eval", ["some-server", "-c", "config.json", "--eval"]],
    ["npx -p @scope/pkg@1.2.3 its-bin ''", ["-p", "@scope/pkg@1.2.3", "its-bin", ""]],
    ["npx some-server '$HOME' 'a|b' '#1'", ["some-server", "$HOME", "a|b", "#1"]],
    [
      "uvx --from git+https://example.com/x mcp-server-git --repository /r",
      ["--from", "git+https://example.com/x", "mcp-server-git", "--repository", "/r"],
    ],
    ["uvx --python=3.12 mcp-server-time@1.0", ["--python=3.12", "mcp-server-time@1.0"]],
  ])("%s", (text, args) => {
    expect(parseServerCommand(text)).toEqual({ command: text.trim().slice(0, 3), args });
  });

  it.each([
    ["npx a; rm -rf /", '";"'],
    ["npx a | sh", '"|"'],
    ["npx a $(id)", '"$"'],
    ["npx a > /etc/passwd", '">"'],
    ["npx a $HOME", '"$HOME"'],
    ['npx a "${HOME}/x"', '"$HOME"'],
    ["npx github:user/repo#main", '"#"'],
    ['npx a "never closed', "never closed"],
    ["", "empty"],
  ])("is refused with a reason where only a shell could act on it: %s", (text, reason) => {
    expect(() => parseServerCommand(text)).toThrow(reason);
  });

  it.each([
    "node server.js",
    "bash -c id",
    "/usr/bin/npx a",
    "./npx a",
    "npx.cmd a",
    "NPX a",
    "constructor a",
    "docker run x",
    "npx",
    "npx -y",
    "uvx",
    "npx -p cowsay",
    "npx -c 'echo hi'",
    "npx --call 'echo hi'",
    "npx --call=id",
    "npx --cal id",
    "npx -yc id",
    "npx --node-options=--import=data:x a",
    "npx --script-shell=/tmp/x a",
    "npx -p a -c id",
    "npx -- -c id",
    "npx -y node -e 1",
    "npx node@24 -e 1",
    "npx -p cowsay sh -c id",
    "npx -p cowsay /bin/sh -c id",
    "npx -p cowsay env sh",
    "npx tsx -e 1",
    "uvx python -c 'import os'",
    "uvx python3.12 -c 1",
    "uvx python@3.12 -c 1",
    "uvx --from ipython ipython -c 1",
    "uvx -c x",
    "uvx --env-file /etc/environment a",
  ])("cannot be used to run anything but a package: %s", (text) => {
    expect(() => parseServerCommand(text)).toThrow(
      /must be npx or uvx|is not allowed|names no package|runs any code|plain name|is not the package/,
    );
  });

  it("is refused in parts as it is in one piece", () => {
    expect(() => readLaunchedServer({ command: "sh", args: ["-c", "id"] })).toThrow(
      "must be npx or uvx",
    );
    expect(() => readLaunchedServer({ command: "npx", args: ["a\0b"] })).toThrow("NUL");
    expect(readLaunchedServer({ command: "npx", args: ["--", "a", "-c"] })).toEqual({
      packages: [],
      target: "a",
      args: ["-c"],
    });
  });

  it("shows in messages without its arguments and credentials", () => {
    expect(labelServer(parseServerCommand("npx -y @scope/server@1 postgres://u:secret@host"))).toBe(
      "npx @scope/server@1",
    );
    expect(
      labelServer(parseServerCommand("uvx --from git+https://u:secret@host/x run-x --key secret")),
    ).toBe("uvx git+https://host/x run-x");
  });

  it("has one id per definition, whatever the order of its variables", async () => {
    const definition = { command: "npx", args: ["a"], env: { A: "1", B: "2" }, owner: "" };
    const id = await identifyServer(definition);
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(await identifyServer({ ...definition, env: { B: "2", A: "1" } })).toBe(id);
    expect(await identifyServer({ ...definition, env: { A: "1", B: "3" } })).not.toBe(id);
    expect(await identifyServer({ ...definition, args: ["a", ""] })).not.toBe(id);
    expect(await identifyServer({ ...definition, owner: "a-key" })).not.toBe(id);
  });
});
