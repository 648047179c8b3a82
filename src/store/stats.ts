/** Statistics, made of the figures of each hour: never of what was recorded itself. */
import { addHistogram, percentiles } from "../record/histogram.ts";
import type { Database } from "./database.ts";
import { COUNTS, noCounts, type Counts } from "./figures.ts";
import {
  keyNames,
  readFigures,
  readToolFigures,
  type FigureRow,
  type StatsRequest,
} from "./stats-figures.ts";

const PERCENTILES = { p50: 0.5, p90: 0.9, p95: 0.95, p99: 0.99 };
const TOOL_PERCENTILES = { p50: 0.5, p95: 0.95 };

type Percentiles = Record<keyof typeof PERCENTILES, number>;

/** Figures of one group. Tokens and cost of tools are 0: they are their requests'. */
interface GroupStats extends Omit<Counts, "cost"> {
  /**
   * A key's id, a model, a path, a tool's name; `other`: all groups beyond the busiest; null:
   * everything.
   */
  group: string | null;
  label: string | null;
  /**
   * US dollars, without what is not known (`unpriced` counts those requests); null where nothing is
   * known.
   */
  cost: number | null;
  /** Milliseconds. */
  durationMs: Percentiles | null;
  timeToFirstTokenMs: Percentiles | null;
}

interface BucketStats extends GroupStats {
  start: string;
}

interface ToolStats {
  name: string;
  executions: number;
  failed: number;
  durationMs: Record<keyof typeof TOOL_PERCENTILES, number> | null;
}

/** Statistics of a range of time. */
export interface Stats extends Pick<StatsRequest, "bucket" | "groupBy"> {
  from: string;
  to: string;
  /**
   * Oldest first. Without groups every bucket is there; with groups, those that have something in
   * them.
   */
  buckets: BucketStats[];
  /** Busiest first, `other` last. */
  totals: GroupStats[];
  /** Busiest first. */
  tools: ToolStats[];
}

const OTHER = { group: "other", label: "Other" };

interface Figures extends Counts {
  durations: number[];
  timesToFirstToken: number[];
}

function noFigures(): Figures {
  return { ...noCounts(), durations: [], timesToFirstToken: [] };
}

function addRow(sum: Figures, row: FigureRow): Figures {
  for (const count of COUNTS) sum[count] += row[count];
  addHistogram(sum.durations, row.durations);
  addHistogram(sum.timesToFirstToken, row.timesToFirstToken ?? []);
  return sum;
}

type Naming = (name: string | null) => Pick<GroupStats, "group" | "label">;

function shown(figures: Figures, group: ReturnType<Naming>): GroupStats {
  const { durations, timesToFirstToken, cost, ...counts } = figures;
  return {
    ...group,
    ...counts,
    // What is free adds nothing to a sum whose other parts are unknown.
    cost: cost === 0 && counts.unpriced > 0 ? null : cost,
    durationMs: percentiles(durations, PERCENTILES),
    timeToFirstTokenMs: percentiles(timesToFirstToken, PERCENTILES),
  };
}

/** The starts of all buckets that have a part in the range. */
function startsOf({ from, to, bucket }: StatsRequest): number[] {
  const [year, month, day, hour] = [
    from.getUTCFullYear(),
    from.getUTCMonth(),
    from.getUTCDate(),
    from.getUTCHours(),
  ];
  const nth = {
    hour: (n: number) => Date.UTC(year, month, day, hour + n),
    day: (n: number) => Date.UTC(year, month, day + n),
    month: (n: number) => Date.UTC(year, month + n),
  }[bucket];
  const starts: number[] = [];
  for (let start = nth(0); start < to.getTime(); start = nth(starts.length)) starts.push(start);
  return starts;
}

/** How groups are called. */
async function namingOf(
  database: Database,
  { groupBy }: StatsRequest,
  rows: FigureRow[],
): Promise<Naming> {
  if (groupBy === "none") return () => ({ group: null, label: null });
  const names = [...new Set(rows.map(({ name }) => name))].filter((name) => name !== null);
  const labels = groupBy === "key" ? await keyNames(database, names) : new Map([["", "(none)"]]);
  return (name) => (name === null ? OTHER : { group: name, label: labels.get(name) ?? name });
}

function totalsOf(rows: FigureRow[], naming: Naming): GroupStats[] {
  const sums = new Map<string | null, Figures>();
  for (const row of rows) sums.set(row.name, addRow(sums.get(row.name) ?? noFigures(), row));
  const isOther = (name: string | null) => Number(name === null);
  return [...sums]
    .toSorted(([a, one], [b, two]) => isOther(a) - isOther(b) || two.requests - one.requests)
    .map(([name, figures]) => shown(figures, naming(name)));
}

/** What there is to say about a range of time. */
export async function readStats(database: Database, request: StatsRequest): Promise<Stats> {
  const rows = await readFigures(database, request);
  const tools = await readToolFigures(database, request);
  const naming = await namingOf(database, request, rows);
  const { from, to, bucket, groupBy } = request;
  const bucketOf = (start: number, figures: Figures, name: string | null): BucketStats => ({
    start: new Date(start).toISOString(),
    ...shown(figures, naming(name)),
  });
  const byStart = new Map(rows.map((row) => [row.start, row]));
  const figuresOf = (row: FigureRow | undefined) =>
    row === undefined ? noFigures() : addRow(noFigures(), row);
  const all = startsOf(request).map((start) => bucketOf(start, figuresOf(byStart.get(start)), ""));
  const grouped = () => rows.map((row) => bucketOf(row.start, figuresOf(row), row.name));
  const totals = totalsOf(rows, naming);
  return {
    from: from.toISOString(),
    to: to.toISOString(),
    bucket,
    groupBy,
    buckets: groupBy === "none" ? all : grouped(),
    totals: groupBy === "none" && totals.length === 0 ? [shown(noFigures(), naming(""))] : totals,
    tools: tools.map(({ durations, ...tool }) => {
      const histogram: number[] = [];
      addHistogram(histogram, durations);
      return { ...tool, durationMs: percentiles(histogram, TOOL_PERCENTILES) };
    }),
  };
}
