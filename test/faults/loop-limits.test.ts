import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { historyOf, startRounds, type ScriptedRound } from "../helpers/mixed-upstream.ts";
import { askOfficially, conversationAt } from "../helpers/own-client.ts";
import { faultyTool, keyWithTools, tryTool } from "../helpers/own-tools.ts";
import { startReplicas, type Replicas } from "../helpers/replicas.ts";
import {
  completion,
  startUpstream,
  sentMessages,
  toolCall,
  type ScriptedUpstream,
} from "../helpers/upstream.ts";
import {
  makeWorkplace,
  runSidecar,
  TOKEN,
  until,
  type RunningSidecar,
} from "../sidecar/run-sidecar.ts";

let sidecar: RunningSidecar;
let started: Replicas<"hasty" | "usual">;

const MAX_ROUNDS = 3;
const MAX_TURN_MS = 1500;

beforeAll(async () => {
  sidecar = await runSidecar();
  const env = {
    MCP_SIDECAR_URL: sidecar.url,
    MCP_SIDECAR_TOKEN: TOKEN,
    TOOL_MAX_ROUNDS: String(MAX_ROUNDS),
  };
  const hasty = { ...env, TOOL_TURN_TIMEOUT_MS: String(MAX_TURN_MS) };
  started = await startReplicas({
    usual: { runtime: "node", env },
    hasty: { runtime: "node", env: hasty },
  });
});
afterAll(async () => {
  await started.stop();
  await sidecar.end();
});

const go = { messages: [{ role: "user", content: "go" }] };
let names = 0;
/** A name that no other tool of this file has. */
const newName = (start: string) => `${start}_${(names += 1)}`;

/** The contents of the results that upstream was sent in its nth request, from 0. */
const resultsIn = (upstream: ScriptedUpstream, index: number) =>
  sentMessages(upstream, index)
    .filter(({ role }) => role === "tool")
    .map(({ content }) => content);

describe("a turn whose time for tools is over", () => {
  it.each([true, false])(
    "ends with what the model can say, though a tool never answers (streamed: %s)",
    async (streamed) => {
      const heard = join(makeWorkplace(), "heard");
      const [never, echo] = [newName("never"), newName("echo")];
      const tools = [
        faultyTool(never, `limit "${heard}"`, { mcpToolName: "never" }),
        faultyTool(echo, `limit "${heard}"`, { mcpToolName: "echo" }),
      ];
      const calls = [
        { id: "c1", name: never, arguments: "{}" },
        { id: "c2", name: echo, arguments: '{"a":1}' },
      ];
      const upstream = await startRounds(
        { text: "Let me look.", calls },
        { text: "I could not find out." },
      );
      const { url } = started.at.hasty;
      const { key, toolIds } = await keyWithTools(url, tools, { openaiBaseUrl: upstream.url });
      // The server runs, so that the turn's time is that of its calls.
      expect(await tryTool(url, toolIds[1])).toBe("{}");
      const startedAt = performance.now();
      const answer = await askOfficially({ url, key }, go, streamed);
      const took = performance.now() - startedAt;
      expect(took).toBeGreaterThanOrEqual(MAX_TURN_MS - 1);
      expect(took).toBeLessThan(4 * MAX_TURN_MS);
      expect([answer.message.content, answer.finishReason]).toEqual([
        "Let me look.\n\nI could not find out.",
        "stop",
      ]);

      const last = upstream.requests[1]?.json();
      expect(last).toMatchObject({ tool_choice: "none" });
      expect(last?.["tools"]).toHaveLength(2);
      expect(resultsIn(upstream, 1)).toEqual([
        expect.stringMatching(/^Error: stopped, because .*limit of 2 s/),
        '{"a":1}',
      ]);
      expect(upstream.requests).toHaveLength(2);
      await until("the server heard of it", () => existsSync(heard));
      const detail = await conversationAt(url, answer.conversationId);
      expect(detail).toMatchObject({
        status: "completed",
        turns: [{ status: "completed", loopStopReason: "max_time" }],
      });
      const ran = Object.fromEntries(
        detail.toolExecutions.map(({ toolName, error }) => [toolName, error]),
      );
      expect(ran).toEqual({ [never]: expect.any(String), [echo]: null });
    },
  );
});

describe("a turn that calls tools for ever", () => {
  it.each([
    { toolMaxRounds: 2, limit: 2 },
    { toolMaxRounds: 5, limit: 5 },
    { toolMaxRounds: null, limit: MAX_ROUNDS },
  ])(
    "ends after $limit rounds where its key says $toolMaxRounds and the server 3",
    async ({ toolMaxRounds, limit }) => {
      const name = newName("more");
      const upstream = await startUpstream((request, response) => {
        const { tool_choice: choice, messages } = request.json() as {
          tool_choice?: string;
          messages: unknown[];
        };
        const call = toolCall(`c${messages.length}`, name, {});
        return completion(choice === "none" ? { content: "That is all." } : { tool_calls: [call] })(
          request,
          response,
        );
      });
      const { url } = started.at.usual;
      const tools = [{ name, type: "function", implementation: "return 'more';" }];
      const { key } = await keyWithTools(url, tools, {
        openaiBaseUrl: upstream.url,
        toolMaxRounds,
      });
      const answer = await askOfficially({ url, key }, go, false);
      expect([answer.message.content, answer.finishReason]).toEqual(["That is all.", "stop"]);
      expect(upstream.requests).toHaveLength(limit + 1);
      const results = resultsIn(upstream, limit);
      expect(results.slice(0, -1)).toEqual(Array.from({ length: limit - 1 }, () => "more"));
      expect(results.at(-1)).toContain(`the limit of ${limit} rounds`);
      const detail = await conversationAt(url, answer.conversationId);
      expect(detail.turns).toMatchObject([{ loopStopReason: "max_rounds" }]);
      expect(detail.toolExecutionCount).toBe(limit - 1);
    },
  );
});

/** When a call ran, by the clock of its tool. */
interface Span {
  from: number;
  to: number;
}

/** The most spans that one moment has in common. */
const mostAtOnce = (spans: Span[]) =>
  Math.max(
    ...spans.map(({ from }) => spans.filter((span) => span.from <= from && from < span.to).length),
  );

describe("ten calls in one round", () => {
  const COUNT = 10;
  const kinds = {
    MCP: (name: string) => faultyTool(name, "slow", { mcpToolName: "slow" }),
    function: (name: string) => ({
      name,
      type: "function",
      implementation:
        "const from = Date.now(); while (Date.now() - from < args.ms); return { from, to: Date.now() };",
    }),
  };

  it.each([
    { kind: "MCP", ms: 300, least: 8 },
    // The sandbox has two threads ready, and starts others as they are needed.
    { kind: "function", ms: 100, least: 2 },
  ] as const)(
    "of a tool of type $kind run at the same time, at most 8 of them",
    async ({ kind, ms, least }) => {
      const name = newName("slow");
      const calls = Array.from({ length: COUNT }, (_, index) => ({
        id: `c${index}`,
        name,
        arguments: JSON.stringify({ ms }),
      }));
      const upstream = await startRounds({ calls }, { text: "Done." });
      const { url } = started.at.usual;
      const { key } = await keyWithTools(url, [kinds[kind](name)], { openaiBaseUrl: upstream.url });
      expect((await askOfficially({ url, key }, go, true)).message.content).toBe("Done.");
      const sent = sentMessages(upstream, 1).slice(2);
      expect(sent.map((message) => message["tool_call_id"])).toEqual(calls.map(({ id }) => id));
      const spans = sent.map(({ content }) => JSON.parse(content) as Span);
      expect(mostAtOnce(spans)).toBeGreaterThanOrEqual(least);
      expect(mostAtOnce(spans)).toBeLessThanOrEqual(8);
    },
  );
});

describe("a result that is too large", () => {
  const LIMIT = 64 * 1024;
  // Three bytes each, which do not divide the limit.
  const wide = "€".repeat(30_000);
  const cases = [
    {
      kind: "function",
      tool: (name: string) => ({
        name,
        type: "function",
        implementation: "return '€'.repeat(args.count);",
      }),
      args: { count: wide.length },
      whole: wide,
    },
    {
      kind: "MCP",
      tool: (name: string) => faultyTool(name, "wide", { mcpToolName: "echo" }),
      args: { wide },
      whole: JSON.stringify({ wide }),
    },
  ];

  it.each(cases)(
    "is cut between two characters, with a note that the model sees ($kind)",
    async ({ tool, args, whole }) => {
      const name = newName("wide");
      const rounds: ScriptedRound[] = [
        { calls: [{ id: "c1", name, arguments: JSON.stringify(args) }] },
        { text: "Long." },
      ];
      const upstream = await startRounds(...rounds);
      const { url } = started.at.usual;
      const { key } = await keyWithTools(url, [tool(name)], { openaiBaseUrl: upstream.url });
      await askOfficially({ url, key }, go, false);
      const [sent = ""] = resultsIn(upstream, 1);
      const [kept = "", note] = sent.split("\n[cut: ");
      const size = Buffer.byteLength(whole);
      expect(note).toBe(`the result had ${size} bytes, of which the first ${LIMIT} are shown]`);
      expect(whole.startsWith(kept), "nothing but whole characters").toBe(true);
      expect(Buffer.byteLength(kept)).toBeGreaterThan(LIMIT - 3);
      expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(LIMIT);
      expect(historyOf(upstream, 1)).toHaveLength(3);
    },
  );
});
