import { lazy, Suspense } from "react";

/** One row of figures over time. */
export interface Series {
  name: string;
  values: (number | null)[];
  /** Name of a colour of the page. */
  colour: string;
  kind: "bars" | "line";
}

/** What a chart shows. */
export interface ChartProps {
  title: string;
  /** What the figures say, for those who cannot see the chart. */
  summary: string;
  /** Starts of the buckets, in seconds since 1970. */
  times: number[];
  series: Series[];
  format: (value: number) => string;
  /** Buckets of days begin at midnight UTC. */
  isUtc: boolean;
}

const Plot = lazy(async () => ({ default: (await import("./plot.tsx")).Plot }));

/** Figures over time. What draws them is loaded when it is needed. */
export function Chart(props: ChartProps) {
  return (
    <figure className="chart">
      <figcaption>{props.title}</figcaption>
      <p className="unseen">{props.summary}</p>
      <Suspense fallback={<div className="plot" />}>
        <Plot {...props} />
      </Suspense>
    </figure>
  );
}
