import type { Stats } from "../api-shapes.ts";
import { formatCompact, formatCost, formatCount, formatDuration } from "../format.ts";
import { Chart, type Series } from "../parts/chart.tsx";
import { totalOf } from "./range.ts";

type Bucket = Stats["buckets"][number];

/** Requests, cost, latency and tokens over time. */
export function Charts({ stats }: { stats: Stats }) {
  const { buckets } = stats;
  const common = {
    times: buckets.map(({ start }) => Date.parse(start) / 1000),
    isUtc: stats.bucket !== "hour",
  };
  const rowOf =
    (kind: Series["kind"]) =>
    (name: string, colour: string, pick: (bucket: Bucket) => number | null): Series => ({
      name,
      colour,
      kind,
      values: buckets.map(pick),
    });
  const [row, bar] = [rowOf("line"), rowOf("bars")];
  const total = totalOf(stats);
  return (
    <div className="charts">
      <Chart
        {...common}
        title="Requests"
        summary={`${formatCount(total.requests)} requests, ${formatCount(total.failed)} of them failed.`}
        format={formatCompact}
        series={[
          bar("Requests", "--chart-1", ({ requests }) => requests),
          bar("Failed", "--chart-bad", ({ failed }) => failed),
        ]}
      />
      <Chart
        {...common}
        title="Cost"
        summary={`${formatCost(total.cost)} in all.`}
        format={formatCost}
        series={[bar("Cost", "--chart-2", ({ cost }) => cost)]}
      />
      <Chart
        {...common}
        title="Latency"
        summary={`Half of all within ${formatDuration(total.durationMs?.p50 ?? null)}, 95% within ${formatDuration(total.durationMs?.p95 ?? null)}.`}
        format={(ms) => formatDuration(Math.round(ms))}
        series={[
          row("p50", "--chart-1", ({ durationMs }) => durationMs?.p50 ?? null),
          row("p95", "--chart-3", ({ durationMs }) => durationMs?.p95 ?? null),
          row("p99", "--chart-4", ({ durationMs }) => durationMs?.p99 ?? null),
        ]}
      />
      <Chart
        {...common}
        title="Tokens"
        summary={`${formatCount(total.promptTokens)} in, ${formatCount(total.completionTokens)} out.`}
        format={formatCompact}
        series={[
          row("In", "--chart-1", ({ promptTokens }) => promptTokens),
          row("Cached", "--chart-2", ({ cachedTokens }) => cachedTokens),
          row("Out", "--chart-3", ({ completionTokens }) => completionTokens),
        ]}
      />
    </div>
  );
}
