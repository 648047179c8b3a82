/** The router in the command line of the MCP Inspector. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { ADD } from "../helpers/mcp-clients.ts";
import { proxy } from "../helpers/proxy.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

const INSPECTOR = join(import.meta.dirname, "../../node_modules/.bin/mcp-inspector");

interface Outcome {
  code: number;
  output: string;
  errors: string;
}

/** Runs the inspector. It writes into its user's home, which is one for the test. */
async function inspect(key: string, ...args: string[]): Promise<Outcome> {
  const home = mkdtempSync(join(tmpdir(), "proxy-inspector-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const place = [
    "--cli",
    `${proxy.url}/mcp`,
    "--transport",
    "http",
    "--header",
    `Authorization: Bearer ${key}`,
    "--format",
    "json",
  ];
  const env = { PATH: process.env["PATH"] ?? "", HOME: home };
  return new Promise((resolve) => {
    execFile(INSPECTOR, [...place, ...args], { env }, (error, output, errors) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, output, errors });
    });
  });
}

it.each(["legacy", "modern", "auto"])(
  "lists and calls, era %s",
  { timeout: 60_000 },
  async (era) => {
    const tool = await proxy.createTool(ADD);
    const upstream = await startUpstream(completion({ content: "Paris." }));
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url, toolIds: [tool.id] });
    const run = (...args: string[]) => inspect(key, "--protocol-era", era, "--method", ...args);
    const listed = await run("tools/list", "--strict");
    expect(listed).toMatchObject({ code: 0, output: expect.stringContaining(`"${tool.name}"`) });
    const added = await run(
      "tools/call",
      "--tool-name",
      tool.name,
      "--tool-args-json",
      '{"a":40,"b":2}',
    );
    expect(added).toMatchObject({ code: 0, output: expect.stringContaining('"42"') });
    const answered = await run(
      "tools/call",
      "--tool-name",
      "chat",
      "--tool-arg",
      "prompt=Capital of France?",
    );
    expect(answered).toMatchObject({ code: 0, output: expect.stringContaining("Paris.") });
    const failed = await run(
      "tools/call",
      "--tool-name",
      tool.name,
      "--tool-args-json",
      '{"a":"x"}',
    );
    expect(failed.code).toBe(5);
  },
);

it("is told by the inspector that a key is wrong", { timeout: 60_000 }, async () => {
  expect(
    await inspect("sk-proxy-nobody", "--method", "tools/list", "--stored-auth-only"),
  ).toMatchObject({ code: 3 });
});
