/**
 * Names of prototypes by way of the sidecar: variables and arguments of a server that it starts.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { missingNames, PROTOTYPE_NAMES, seeded } from "../helpers/prototype-names.ts";
import { callMcpTool } from "../../src/tools/mcp/mcp-client.ts";
import { platformWith } from "../sidecar/mcp-platform.ts";
import { runSidecar, type RunningSidecar } from "../sidecar/run-sidecar.ts";

let sidecar: RunningSidecar;
const platform = platformWith(async () => sidecar);
beforeAll(async () => {
  sidecar = await runSidecar();
});
afterAll(() => sidecar.end());

const call = (toolName: string, args: Record<string, unknown>) =>
  callMcpTool(platform, {
    target: {
      kind: "command",
      command: "npx faulty-server names-of-prototypes",
      env: seeded("a value") as Record<string, string>,
      owner: "constructor",
    },
    toolName,
    args,
    signal: new AbortController().signal,
    timeoutMs: 30_000,
  });

it("arguments and variables with names of prototypes reach the server, and it serves the next call", async () => {
  const { text } = await call("echo", { ...seeded(1), a: { b: seeded({ polluted: true }) } });
  const echoed = JSON.parse(text) as { a: { b: unknown } };
  expect(missingNames(echoed.a.b)).toEqual([]);
  expect(missingNames(echoed)).toEqual([]);
  for (const name of PROTOTYPE_NAMES) expect((await call(name, {})).text).toBe(name);
  expect((await call("echo", { a: 1 })).text).toBe('{"a":1}');
});
