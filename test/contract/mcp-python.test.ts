/** The router's tools as LangChain's adapters for Python have them. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { ADD } from "../helpers/mcp-clients.ts";
import { proxy } from "../helpers/proxy.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

const SCRIPT = join(import.meta.dirname, "../fixtures/langchain_mcp.py");
/** Their own requirements are ranges: these are what was tried. */
const PACKAGES = ["langchain-mcp-adapters==0.3.2", "langchain-core<2"];

interface Seen {
  tools: [string, { properties?: Record<string, unknown> }][];
  results: { content: unknown; artifact: unknown; status: string }[];
}

it("are listed and called", { timeout: 180_000 }, async () => {
  const tool = await proxy.createTool(ADD);
  const upstream = await startUpstream(completion({ content: "Paris." }));
  const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url, toolIds: [tool.id] });
  const calls = [
    [tool.name, { a: 40, b: 2 }],
    ["chat", { prompt: "Capital of France?" }],
  ];
  const wanted = PACKAGES.flatMap((name) => ["--with", name]);
  const args = [
    "run",
    "--quiet",
    "--no-project",
    ...wanted,
    "python",
    SCRIPT,
    `${proxy.url}/mcp`,
    key,
    JSON.stringify(calls),
  ];
  const { stdout } = await promisify(execFile)("uv", args);
  const seen = JSON.parse(stdout) as Seen;
  expect(seen.tools.map(([name]) => name)).toEqual(["chat", "list_models", "embed", tool.name]);
  expect(seen.tools.at(-1)?.[1]).toEqual(ADD.parameters);
  const [added, answered] = seen.results;
  expect(added).toMatchObject({ status: "success" });
  expect(JSON.stringify(added?.content)).toContain("42");
  expect(JSON.stringify(answered?.content)).toContain("Paris.");
  expect(JSON.stringify(answered?.artifact)).toContain("finish_reason");
});
