/**
 * The protocol's own suite, against a server that has everything, through the sidecar: what it does
 * not pass is lost or changed on the way.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { identifyServer } from "../../src/tools/mcp/server-command.ts";
import {
  failuresOf,
  runConformance,
  startFront,
  type Checked,
} from "../helpers/mcp-conformance.ts";
import { runSidecar, TOKEN, type RunningSidecar } from "./run-sidecar.ts";

let sidecar: RunningSidecar;
let endpoint: string;

beforeAll(async () => {
  sidecar = await runSidecar();
  const definition = { command: "npx", args: ["conformance-server"], env: {}, owner: "" };
  const path = `/servers/${await identifyServer(definition)}`;
  expect(
    (await sidecar.request(path, { method: "PUT", body: JSON.stringify(definition) })).status,
  ).toBe(200);
  endpoint = `${sidecar.url}${path}/mcp`;
});
afterAll(() => sidecar.end());

const withStatus = (checked: Checked, wanted: string) =>
  [...checked].flatMap(([scenario, checks]) =>
    checks.filter(({ status }) => status === wanted).map(({ id }) => `${scenario}: ${id}`),
  );

/**
 * Streams that can be taken up again where they broke: optional, and the sidecar would have to keep
 * every result of every session for it (punkpeye/mcp-proxy#72). A call whose stream breaks is
 * cancelled instead.
 */
const WARNINGS = [
  "server-sse-polling: server-sse-priming-event",
  "server-sse-polling: server-sse-retry-field",
];

it("conforms to 2025-11-25 in every scenario", { timeout: 120_000 }, async () => {
  const checked = await runConformance(await startFront(TOKEN, endpoint), [
    "--suite",
    "all",
    "--spec-version",
    "2025-11-25",
  ]);
  expect(failuresOf(checked)).toEqual({});
  expect(withStatus(checked, "WARNING")).toEqual(WARNINGS);
  expect(withStatus(checked, "SKIPPED")).toEqual([]);
  expect(checked.size).toBeGreaterThanOrEqual(33);
  expect(withStatus(checked, "SUCCESS").length).toBeGreaterThanOrEqual(81);
});

/**
 * What 2026-07-28 brought. Towards the sidecar the proxy speaks 2025-11-25, in which processes on
 * standard input are at home.
 */
const NEWER_SCENARIOS =
  /^(?:caching|http-(?:custom-)?header(?:-server)?-validation|input-required-result-.+|sep-2164-resource-not-found|server-stateless|tasks-.+|sep-2640-.+)$/;

it(
  "passes whatever else of the whole suite is not of a newer revision",
  { timeout: 120_000 },
  async () => {
    const checked = await runConformance(await startFront(TOKEN, endpoint), ["--suite", "all"]);
    const failing = Object.keys(failuresOf(checked)).filter(
      (scenario) => !NEWER_SCENARIOS.test(scenario),
    );
    expect(failing).toEqual([]);
    expect(
      [...checked.keys()].filter((scenario) => !NEWER_SCENARIOS.test(scenario)).length,
    ).toBeGreaterThanOrEqual(20);
  },
);
