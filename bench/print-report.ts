import { cpus } from "node:os";
import type { MeasuredFigure, MeasuredScenario, Spread } from "./run-scenario.ts";
import { isPinned } from "./start-program.ts";

const round = (value: number) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(1));
const spreadText = ({ median, min, max }: Spread, write: (value: number) => string) =>
  `${write(median)} [${write(min)} ${write(max)}]`;

function goalText({ goal, ratio }: MeasuredFigure): string {
  if (goal === undefined) return "";
  if ("atMost" in goal)
    return `≤ ${goal.atMost.toFixed(2)} ${ratio.median <= goal.atMost ? "met" : "MISSED"}`;
  return `≥ ${goal.atLeast.toFixed(2)} ${ratio.median >= goal.atLeast ? "met" : "MISSED"}`;
}

function rowOf(figure: MeasuredFigure): string[] {
  const { name, unit, base, ours, ratio } = figure;
  return [
    unit === "" ? name : `${name}, ${unit}`,
    spreadText(base, round),
    spreadText(ours, round),
    spreadText(ratio, (value) => value.toFixed(2)),
    goalText(figure),
  ];
}

function tableOf({ title, base, ours, figures }: MeasuredScenario): string {
  const rows = [["", base, ours, "ratio", "goal"], ...figures.map(rowOf)];
  const widths = (rows[0] ?? []).map((_cell, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return [title, ...lines.map((line) => `  ${line}`)].join("\n");
}

/** What the figures were measured on; without it they mean nothing. */
export function describeMachine(): Record<string, string> {
  const [first] = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    cpu: `${cpus().length} × ${first?.model.trim() ?? "unknown"}`,
    pinned: isPinned ? "proxies on CPU 1, all else on CPU 0" : "no: figures are noisier",
  };
}

/** The report as text: medians over rounds, with the least and the greatest. */
export function printReport(scenarios: MeasuredScenario[], facts: Record<string, string>): string {
  const head = Object.entries(facts)
    .map(([name, value]) => `${name}: ${value}`)
    .join(" · ");
  return [head, ...scenarios.map(tableOf)].join("\n\n");
}
