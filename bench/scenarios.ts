import type { Load, LoadResult } from "./load.ts";
import type { CpuTime } from "./measure-cpu.ts";

/** What one load on one contender gave. */
export interface Sample extends LoadResult {
  /** Nanoseconds of the proxy, work behind its responses included. */
  cpu: CpuTime;
  /** Megabytes after it. */
  memory: number;
}

/**
 * Who is loaded: `base` is what `ours` is compared with, `direct` the mock upstream without any
 * proxy.
 */
export type Role = "base" | "ours" | "direct";

/** The samples of one round. `direct` is there only where a figure needs it. */
export type Round = Partial<Record<Role, Sample>>;

/** A line of the report. */
export interface Figure {
  name: string;
  unit: string;
  /** The figure of one role in one round, or null where that load does not give it. */
  value(round: Round, role: Role): number | null;
  /** What the ratio of ours to the base may be at most, or has to be at least. */
  goal?: { atMost: number } | { atLeast: number };
}

/** A program to load, and as whom. */
export interface Contender {
  name: string;
  pid: number;
  url: string;
  key: string;
}

/** What is measured, and between whom. */
export interface Scenario {
  id: string;
  title: string;
  contenders: Partial<Record<Role, Contender>>;
  /** How the requests look and how they are sent; the contender supplies address and key. */
  load: Omit<Load, "url" | "headers"> & { path: string };
  figures: Figure[];
}

/** Everything that takes part. `ours` and `tools` are the same process with different keys. */
export interface Field {
  bare: Contender;
  ours: Contender;
  tools: Contender;
  direct: Contender;
  /** Whether the database is inside the proxy's process. */
  isEmbedded: boolean;
}

/** How much to measure. Streams and single calls are fewer, in proportion. */
export interface Amounts {
  requests: number;
}

const CONNECTIONS = 32;
const STREAMS = 24;
const STREAM_CHUNKS = 200;
const FEW_CHUNKS = 5;

const text = (length: number) =>
  "Tell me what the quick brown fox did after it jumped over the lazy dog. ".repeat(length);

/** Some 1.5 KB, as a short conversation with a system prompt is. */
function chatBody(more: Record<string, unknown>): string {
  const messages = [
    { role: "system", content: `You are a helpful assistant. ${text(6)}` },
    { role: "user", content: text(6) },
    { role: "assistant", content: text(2) },
    { role: "user", content: text(4) },
  ];
  return JSON.stringify({ model: "gpt-4.1-mini", temperature: 0.2, messages, ...more });
}

const sampleFigure = (name: string, unit: string, value: (sample: Sample) => number | null) => ({
  name,
  unit,
  value: (round: Round, role: Role) => {
    const sample = round[role];
    return sample === undefined ? null : value(sample);
  },
});

const perRequest = (part: keyof CpuTime) => (sample: Sample) =>
  sample.cpu[part] / 1000 / sample.requests;

/**
 * The goal for a proxy's process that has no database inside; null where there is one, or no goal.
 */
type Goal = number | null;

const atMost = (goal: Goal): Pick<Figure, "goal"> =>
  goal === null ? {} : { goal: { atMost: goal } };

function cpuFigures(goal: Goal): Figure[] {
  return [
    sampleFigure("CPU, main thread", "µs", perRequest("mainThread")),
    { ...sampleFigure("CPU, process", "µs", perRequest("process")), ...atMost(goal) },
    sampleFigure("CPU, with children", "µs", perRequest("withChildren")),
  ];
}

const DURATION = sampleFigure("Duration, p50", "µs", (sample) => sample.duration);
const MEMORY = sampleFigure("Memory (RSS)", "MB", (sample) => sample.memory);

function manyFigures(goals: { cpu: Goal; memory: Goal }): Figure[] {
  return [
    ...cpuFigures(goals.cpu),
    sampleFigure("Throughput", "1/s", (sample) => sample.requests / sample.seconds),
    DURATION,
    { ...MEMORY, ...atMost(goals.memory) },
  ];
}

/** What a contender adds to the time that the mock upstream takes by itself. */
function added(name: string, time: "firstByte" | "duration"): Figure {
  return {
    name,
    unit: "µs",
    value: (round, role) => {
      const [through, direct] = [round[role]?.[time], round.direct?.[time]];
      return through === undefined || direct === undefined || through === null || direct === null
        ? null
        : through - direct;
    },
  };
}

function wholeScenarios({ bare, ours, isEmbedded }: Field, { requests }: Amounts): Scenario[] {
  const many = { kind: "many" as const, requests, connections: CONNECTIONS };
  return [
    {
      id: "chat",
      title: `Chat completion, whole, key without tools, with its record (${CONNECTIONS} connections)`,
      contenders: { base: bare, ours },
      load: { ...many, path: "/v1/chat/completions", body: chatBody({}) },
      figures: manyFigures({ cpu: isEmbedded ? null : 1.35, memory: isEmbedded ? null : 1.9 }),
    },
    {
      id: "passthrough",
      title: `Embeddings, passed on untouched, with their record (${CONNECTIONS} connections)`,
      contenders: { base: bare, ours },
      load: {
        ...many,
        path: "/v1/embeddings",
        body: JSON.stringify({ model: "text-embedding-3-small", input: text(20) }),
      },
      figures: manyFigures({ cpu: isEmbedded ? null : 1.35, memory: null }),
    },
  ];
}

function streamScenario({ bare, ours, isEmbedded }: Field, { requests }: Amounts): Scenario {
  const streams = Math.max(STREAMS, Math.round(requests / 40 / STREAMS) * STREAMS);
  return {
    id: "stream",
    title: `Chat completion, streamed, with its record: ${STREAM_CHUNKS} chunks, 1 per ms, ${STREAMS} streams at a time`,
    contenders: { base: bare, ours },
    load: {
      kind: "timed",
      requests: streams,
      connections: STREAMS,
      path: "/v1/chat/completions",
      body: chatBody({ stream: true, max_tokens: STREAM_CHUNKS }),
    },
    figures: [
      ...cpuFigures(isEmbedded ? null : 1.2),
      {
        ...sampleFigure("Reads per stream", "", (sample) => sample.reads),
        goal: { atLeast: 0.95 },
      },
      {
        ...sampleFigure("Delay of a chunk, p50", "µs", (sample) => sample.delay),
        goal: { atMost: 1.2 },
      },
      sampleFigure("Delay of a chunk, p99", "µs", (sample) => sample.delay99),
      DURATION,
      MEMORY,
    ],
  };
}

function singleScenarios({ bare, ours, tools, direct }: Field, { requests }: Amounts): Scenario[] {
  const one = {
    kind: "timed" as const,
    requests: Math.max(20, Math.round(requests / 20)),
    connections: 1,
    path: "/v1/chat/completions",
  };
  const streamed = { ...one, body: chatBody({ stream: true, max_tokens: FEW_CHUNKS }) };
  const firstByte = sampleFigure("First chunk after, p50", "µs", (sample) => sample.firstByte);
  return [
    {
      id: "latency",
      title: "Chat completion, whole, one at a time",
      contenders: { base: bare, ours, direct },
      load: { ...one, body: chatBody({}) },
      figures: [DURATION, { ...added("Added to direct, p50", "duration"), goal: { atMost: 1.3 } }],
    },
    {
      id: "first-chunk",
      title: "Time to the first chunk, one stream at a time",
      contenders: { base: bare, ours, direct },
      load: streamed,
      figures: [
        firstByte,
        { ...added("Added to direct, p50", "firstByte"), goal: { atMost: 1.3 } },
      ],
    },
    {
      id: "tools",
      title:
        "Time to the first chunk, one stream at a time: a key with 20 tools, of which the model calls none",
      contenders: { base: bare, ours: tools, direct },
      load: streamed,
      figures: [firstByte, added("Added to direct, p50", "firstByte"), ...cpuFigures(null)],
    },
  ];
}

/** Everything that can be measured, in the order of the report. */
export function listScenarios(field: Field, amounts: Amounts): Scenario[] {
  return [
    ...wholeScenarios(field, amounts),
    streamScenario(field, amounts),
    ...singleScenarios(field, amounts),
  ];
}
