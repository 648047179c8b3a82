import type { LoadResult } from "./load.ts";
import { readCpuTime, readMemory, waitForRest, type CpuTime } from "./measure-cpu.ts";
import type { Contender, Figure, Role, Round, Sample, Scenario } from "./scenarios.ts";
import type { StartedProgram } from "./start-program.ts";

/** A middle and its ends, over rounds. */
export interface Spread {
  median: number;
  min: number;
  max: number;
}

/**
 * A figure over all rounds. The ratio is taken within each round, because a machine's speed changes
 * between them.
 */
export interface MeasuredFigure extends Pick<Figure, "name" | "unit" | "goal"> {
  base: Spread;
  ours: Spread;
  ratio: Spread;
}

/** What a scenario gave. */
export interface MeasuredScenario {
  id: string;
  title: string;
  base: string;
  ours: string;
  rounds: number;
  figures: MeasuredFigure[];
}

interface Run {
  generator: StartedProgram;
  rounds: number;
  /** Hears what is about to happen. */
  progress(line: string): void;
}

/**
 * Warm-up: this many times a round's requests, because code gets faster for some ten thousand of
 * them.
 */
const WARM_UPS = 3;

function spread(values: number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const median =
    ((sorted[Math.ceil(middle) - 1] ?? Number.NaN) + (sorted[Math.floor(middle)] ?? Number.NaN)) /
    2;
  return { median, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

function difference(after: CpuTime, before: CpuTime): CpuTime {
  return {
    mainThread: after.mainThread - before.mainThread,
    process: after.process - before.process,
    withChildren: after.withChildren - before.withChildren,
  };
}

async function loadOnce(
  scenario: Scenario,
  contender: Contender,
  generator: StartedProgram,
): Promise<Sample> {
  const { path, ...load } = scenario.load;
  const headers = {
    authorization: `Bearer ${contender.key}`,
    "content-type": "application/json",
    accept: "application/json",
    "user-agent": "OpenAI/JS 7.55.0",
    "x-stainless-lang": "js",
    "x-stainless-runtime": "node",
  };
  const before = readCpuTime(contender.pid);
  const result = (await generator.ask({
    ...load,
    url: contender.url + path,
    headers,
  })) as LoadResult;
  if (result.error !== null) throw new Error(`${scenario.id}, ${contender.name}: ${result.error}`);
  await waitForRest(contender.pid);
  return {
    ...result,
    cpu: difference(readCpuTime(contender.pid), before),
    memory: readMemory(contender.pid),
  };
}

/** A figure that some round does not have has no line. */
function measure(figure: Figure, rounds: Round[]): MeasuredFigure[] {
  const values = rounds.map((round) => ({
    base: figure.value(round, "base"),
    ours: figure.value(round, "ours"),
  }));
  const whole = values.filter(
    (pair): pair is { base: number; ours: number } => pair.base !== null && pair.ours !== null,
  );
  if (whole.length < rounds.length) return [];
  const { name, unit, goal } = figure;
  return [
    {
      name,
      unit,
      ...(goal === undefined ? {} : { goal }),
      base: spread(whole.map(({ base }) => base)),
      ours: spread(whole.map(({ ours }) => ours)),
      ratio: spread(whole.map(({ base, ours }) => ours / base)),
    },
  ];
}

/**
 * Loads the contenders one after another, in an order that turns from round to round, and compares
 * them within each round.
 */
export async function runScenario(
  scenario: Scenario,
  { generator, rounds, progress }: Run,
): Promise<MeasuredScenario> {
  const contenders = Object.entries(scenario.contenders) as [Role, Contender][];
  for (const [, contender] of contenders) {
    progress(`${scenario.id}: warming up ${contender.name}`);
    for (let index = 0; index < WARM_UPS; index++) await loadOnce(scenario, contender, generator);
  }
  const measured: Round[] = [];
  for (let index = 0; index < rounds; index++) {
    progress(`${scenario.id}: round ${index + 1} of ${rounds}`);
    const turned = index % contenders.length;
    const round: Round = {};
    for (const [role, contender] of [...contenders.slice(turned), ...contenders.slice(0, turned)]) {
      round[role] = await loadOnce(scenario, contender, generator);
    }
    measured.push(round);
  }
  return {
    id: scenario.id,
    title: scenario.title,
    rounds,
    base: scenario.contenders.base?.name ?? "",
    ours: scenario.contenders.ours?.name ?? "",
    figures: scenario.figures.flatMap((figure) => measure(figure, measured)),
  };
}
