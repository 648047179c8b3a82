/** The chart itself: a chunk of its own, loaded when one is shown. */
import { useEffect, useRef } from "react";
import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useIsDark } from "../shell/theme.ts";
import type { ChartProps, Series } from "./chart.tsx";

const HEIGHT = 150;
const MUTED = "--muted";

/** A colour of the page as a canvas takes it: with light or dark decided. */
function colourOf(host: Element, name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  host.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

function seriesOf(
  host: Element,
  { name, colour, kind, values }: Series,
  format: ChartProps["format"],
): UPlot.Series {
  const stroke = colourOf(host, colour);
  const value = (_plot: UPlot, raw: number | null) => (raw === null ? "–" : format(raw));
  // A line of one point would not be seen.
  const isLonely = values.filter((one) => one !== null).length < 3;
  const bars = UPlot.paths.bars?.({ size: [0.7, 28], radius: 0.15 });
  if (kind === "bars" && bars !== undefined)
    return {
      label: name,
      stroke,
      fill: stroke,
      width: 0,
      paths: bars,
      points: { show: false },
      value,
    };
  return {
    label: name,
    stroke,
    width: 1.75,
    points: { show: isLonely, size: 5, fill: stroke },
    value,
    spanGaps: true,
  };
}

/** A bucket's start, in the reader's time; days are those of UTC. */
function timeText(seconds: number, isUtc: boolean): string {
  const style = isUtc
    ? ({ timeZone: "UTC", day: "numeric", month: "short" } as const)
    : ({ hour: "2-digit", minute: "2-digit" } as const);
  return new Date(seconds * 1000).toLocaleString("en-GB", style);
}

/** The same, in full. */
function momentText(seconds: number | null, isUtc: boolean): string {
  if (seconds === null) return "";
  const style = isUtc
    ? ({ timeZone: "UTC", dateStyle: "medium" } as const)
    : ({ dateStyle: "medium", timeStyle: "short" } as const);
  return new Date(seconds * 1000).toLocaleString("en-GB", style);
}

function axesOf(host: Element, { times, format, isUtc }: ChartProps): UPlot.Axis[] {
  const stroke = colourOf(host, MUTED);
  const line = colourOf(host, "--line");
  const font = `11px ${getComputedStyle(host).fontFamily}`;
  const isLong = !isUtc && (times.at(-1) ?? 0) - (times[0] ?? 0) > 2 * 86_400;
  const mark = (seconds: number) => timeText(seconds, isUtc || isLong);
  return [
    {
      stroke,
      font,
      grid: { show: false },
      ticks: { show: false },
      size: 26,
      space: 70,
      values: (_plot, marks) => marks.map(mark),
    },
    {
      stroke,
      font,
      grid: { stroke: line, width: 1 },
      ticks: { show: false },
      size: 54,
      space: 34,
      values: (_plot, marks) => marks.map(format),
    },
  ];
}

function optionsOf(host: HTMLElement, shown: ChartProps): UPlot.Options {
  const { times, series, format, isUtc } = shown;
  const step = (times[1] ?? 0) - (times[0] ?? 0);
  return {
    width: Math.max(host.clientWidth, 200),
    height: HEIGHT,
    series: [
      { value: (_plot, raw: number | null) => momentText(raw, isUtc) },
      ...series.map((one) => seriesOf(host, one, format)),
    ],
    axes: axesOf(host, shown),
    scales: {
      x: { range: (_plot, least, most) => [least - step / 2, most + step / 2] },
      y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.1 : 1] },
    },
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    padding: [8, 4, 0, 0],
    legend: {
      markers: {
        width: 0,
        fill: (_plot, index) => colourOf(host, series[index - 1]?.colour ?? MUTED),
      },
    },
    ...(isUtc
      ? { tzDate: (seconds: number) => UPlot.tzDate(new Date(seconds * 1000), "UTC") }
      : {}),
  };
}

/** One drawing: its figures never change. */
function Drawing(props: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const shown = useRef(props);
  useEffect(() => {
    const element = host.current;
    if (element === null) return undefined;
    const { times, series } = shown.current;
    const plot = new UPlot(
      optionsOf(element, shown.current),
      [times, ...series.map(({ values }) => values)],
      element,
    );
    const observer = new ResizeObserver(() =>
      plot.setSize({ width: Math.max(element.clientWidth, 200), height: HEIGHT }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, []);
  return <div ref={host} className="plot" aria-hidden="true" />;
}

/** Draws figures over time: anew when they change, or the theme does. */
export function Plot(props: ChartProps) {
  const isDark = useIsDark();
  return <Drawing key={JSON.stringify([props.times, props.series, isDark])} {...props} />;
}
