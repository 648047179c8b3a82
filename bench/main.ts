/**
 * `npm run bench`: what our proxy costs beside a bare one, measured in turns in one run. See
 * README.md.
 */
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { describeMachine, printReport } from "./print-report.ts";
import { runScenario, type MeasuredScenario } from "./run-scenario.ts";
import { listScenarios, type Contender, type Field, type Scenario } from "./scenarios.ts";
import { startProgram, type StartedProgram } from "./start-program.ts";
import { startProxy } from "./start-proxy.ts";

const USAGE = `npm run bench -- [--rounds 7] [--requests 4000] [--only chat,passthrough,stream,latency,first-chunk,tools] [--json] [--profile DIRECTORY]
BENCH_DATABASE_URL: a PostgreSQL database for our proxy; without it, it is the embedded one.`;

const TOOLS = 20;

interface Choices {
  rounds: number;
  requests: number;
  /** Scenario ids; empty for all. */
  only: string[];
  json: boolean;
  /** Where Node leaves CPU profiles of our proxy, or null. */
  profile: string | null;
  databaseUrl: string | null;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--${name} has to be a whole number above 0, not "${text}".\n${USAGE}`);
}

function readChoices(): Choices {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "7" },
      requests: { type: "string", default: "4000" },
      only: { type: "string", default: "" },
      json: { type: "boolean", default: false },
      profile: { type: "string" },
    },
  });
  return {
    rounds: positive("rounds", values.rounds),
    requests: positive("requests", values.requests),
    only: values.only.split(",").filter((id) => id !== ""),
    json: values.json,
    profile: values.profile ?? null,
    databaseUrl: process.env["BENCH_DATABASE_URL"] || null,
  };
}

const interrupted = new AbortController();

function progress(line: string): void {
  if (!interrupted.signal.aborted) console.error(line);
}

/** Everything that runs, so that it is ended in every case: the last started first. */
const stops: (() => Promise<void>)[] = [];
const starting = new Set<Promise<unknown>>();

/** What is about to start cannot be ended before it has started. */
async function stopAll(): Promise<void> {
  await Promise.allSettled(starting);
  for (let stop = stops.pop(); stop !== undefined; stop = stops.pop()) await stop();
}

async function register<Running extends { stop(): Promise<void> }>(
  start: Promise<Running>,
): Promise<Running> {
  starting.add(start);
  try {
    const running = await start;
    stops.push(running.stop);
    return running;
  } finally {
    starting.delete(start);
  }
}

/** Starts everyone. All are up at once, and only one is under load at a time. */
async function openField({
  databaseUrl,
  profile,
}: Choices): Promise<{ field: Field; generator: StartedProgram }> {
  progress("starting mock upstream, load generator and bare proxy");
  const mock = await register(
    startProgram({ command: ["bench/mock-upstream.ts"], env: {}, place: "rest" }),
  );
  const generator = await register(
    startProgram({ command: ["bench/load.ts"], env: {}, place: "rest" }),
  );
  const bare = await register(
    startProgram({ command: ["bench/bare-proxy.ts"], env: { UPSTREAM: mock.url }, place: "proxy" }),
  );
  progress(
    `starting our proxy with ${databaseUrl === null ? "the embedded database" : "PostgreSQL"}`,
  );
  const nodeOptions = profile === null ? [] : ["--cpu-prof", `--cpu-prof-dir=${profile}`];
  const ours = await register(
    startProxy({ upstreamUrl: mock.url, databaseUrl, tools: TOOLS, nodeOptions }),
  );
  const contender = (name: string, { pid, url }: StartedProgram, key: string): Contender => ({
    name,
    pid,
    url,
    key,
  });
  return {
    generator,
    field: {
      bare: contender("bare", bare, ours.plainKey),
      ours: contender("ours", ours.program, ours.plainKey),
      tools: contender(`ours, ${TOOLS} tools`, ours.program, ours.toolKey),
      direct: contender("direct", mock, ours.plainKey),
      isEmbedded: databaseUrl === null,
    },
  };
}

function chosen(scenarios: Scenario[], only: string[]): Scenario[] {
  const unknown = only.filter((id) => !scenarios.some((scenario) => scenario.id === id));
  if (unknown.length > 0)
    throw new Error(`There is no measurement called ${unknown.join(", ")}.\n${USAGE}`);
  return only.length === 0 ? scenarios : scenarios.filter(({ id }) => only.includes(id));
}

async function main(): Promise<void> {
  if (!existsSync("/proc/self/task"))
    throw new Error(
      "The measurement reads CPU time from Linux's /proc, which this system does not have.",
    );
  const choices = readChoices();
  const { field, generator } = await openField(choices);
  const measured: MeasuredScenario[] = [];
  for (const scenario of chosen(listScenarios(field, choices), choices.only)) {
    measured.push(await runScenario(scenario, { generator, rounds: choices.rounds, progress }));
  }
  const facts = {
    ...describeMachine(),
    database: field.isEmbedded ? "embedded, inside the proxy's process" : "PostgreSQL",
    rounds: String(choices.rounds),
    requests: String(choices.requests),
  };
  console.log(
    choices.json
      ? JSON.stringify({ ...facts, scenarios: measured }, null, 2)
      : printReport(measured, facts),
  );
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    progress("stopping");
    interrupted.abort();
    void stopAll().then(() => process.exit(130));
  });
}

try {
  await main();
} catch (error) {
  // Once interrupted, the programs are ended under its feet.
  if (!interrupted.signal.aborted)
    console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  await stopAll();
}
