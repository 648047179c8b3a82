import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { resolveCommand } from "../../mcp-sidecar/resolve-command.ts";
import { parseServerCommand } from "../../src/tools/mcp/server-command.ts";
import { callMcpTool } from "../../src/tools/mcp/mcp-client.ts";
import { command, platformWith } from "./mcp-platform.ts";
import { makeWorkplace, membersOf, runSidecar } from "./run-sidecar.ts";

let directory: string;

/** An installed package: its executables by name, and links to them as npm makes them. */
function install(
  name: string,
  { version = "1.0.0", bin }: { version?: string; bin: string | Record<string, string> },
): void {
  const home = join(directory, "node_modules", name);
  mkdirSync(home, { recursive: true });
  mkdirSync(join(directory, "node_modules", ".bin"), { recursive: true });
  writeFileSync(join(home, "package.json"), JSON.stringify({ name, version, bin }));
  const bins = typeof bin === "string" ? { [name.replace(/^@[^/]*\//, "")]: bin } : bin;
  for (const [link, script] of Object.entries(bins)) {
    writeFileSync(join(home, script), "");
    symlinkSync(join(home, script), join(directory, "node_modules", ".bin", link));
  }
}

beforeAll(() => {
  directory = makeWorkplace();
  install("@scope/one-bin", { version: "1.2.3", bin: { "odd-name": "run.js" } });
  install("many-bins", { bin: { "many-bins": "main.mjs", other: "other.cjs" } });
  install("unclear", { bin: { a: "a.js", b: "b.js" } });
  install("named-like-it", { bin: "run.js" });
  install("no-script", { bin: "run.sh" });
});

const resolved = async (line: string) => {
  const { file, args } = await resolveCommand(
    parseServerCommand(line),
    join(directory, "deep", "down"),
  );
  return [file, ...args]
    .join(" ")
    .replaceAll(`${directory}/node_modules/`, "")
    .replace(process.execPath, "node");
};

describe("an installed package", () => {
  it.each([
    ["npx @scope/one-bin /a b", "node @scope/one-bin/run.js /a b"],
    ["npx -y @scope/one-bin@1.2.3", "node @scope/one-bin/run.js"],
    ["npx odd-name x", "node @scope/one-bin/run.js x"],
    ["npx many-bins -c x", "node many-bins/main.mjs -c x"],
    ["npx other", "node many-bins/other.cjs"],
    ["npx -p many-bins other x", "node many-bins/other.cjs x"],
    ["npx --package=@scope/one-bin@1.2.3 odd-name", "node @scope/one-bin/run.js"],
  ])("is started without npx: %s", async (line, expected) => {
    expect(await resolved(line)).toBe(expected);
  });

  it.each([
    ["npx @scope/one-bin@1.2.4", "npx -y @scope/one-bin@1.2.4"],
    ["npx @scope/one-bin@latest", "npx -y @scope/one-bin@latest"],
    ["npx unclear", "npx -y unclear"],
    ["npx no-script", "npx -y no-script"],
    ["npx -p many-bins -p unclear other", "npx -y -p many-bins -p unclear other"],
    ["npx -p named-like-it other", "npx -y -p named-like-it other"],
    ["npx -p many-bins missing", "npx -y -p many-bins missing"],
    ["npx not-installed", "npx -y not-installed"],
    ["uvx many-bins", "uvx many-bins"],
  ])("is left to its launcher where that alone knows what to start: %s", async (line, expected) => {
    expect(await resolved(line)).toBe(expected);
  });

  it("is one process, which leads its group", async () => {
    const sidecar = await runSidecar();
    const call = {
      target: command("npx faulty-server"),
      toolName: "pid",
      args: {},
      signal: new AbortController().signal,
      timeoutMs: 5_000,
    };
    const { text } = await callMcpTool(
      platformWith(() => Promise.resolve(sidecar)),
      call,
    );
    expect(membersOf(Number(text))).toEqual([Number(text)]);
    await sidecar.end();
  });
});
