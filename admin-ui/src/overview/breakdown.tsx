import { useState } from "react";
import type { Stats, StatsFigures } from "../api-shapes.ts";
import { formatCompact, formatCost, formatCount, formatDuration, formatShare } from "../format.ts";
import { resources } from "../http.ts";
import { Loading } from "../parts/notice.tsx";
import { Segments } from "../parts/segments.tsx";
import { Table, type Column } from "../parts/table.tsx";
import { Link } from "../router.tsx";
import { useResource } from "../use-resource.ts";
import { recordOf, statsQuery, type RANGES } from "./range.ts";

/** How many rows are enough at a glance. */
const SHOWN = 8;

type Group = "model" | "key" | "endpoint";

const GROUPS = [
  { value: "model", label: "Model" },
  { value: "key", label: "Key" },
  { value: "endpoint", label: "Endpoint" },
] as const;

type Row = StatsFigures & { id: string };

type Range = (typeof RANGES)[number];

/** What the groups are called in the filter of the list. */
const PARAMETERS = { model: "model", key: "apiKeyId", endpoint: "endpoint" } as const;

/** Not all groups beyond the busiest. */
const isNamed = (group: string) => group !== "other";

const columnsFor = (group: Group, range: Range): Column<Row>[] => [
  {
    name: GROUPS.find(({ value }) => value === group)?.label ?? "",
    cell: ({ id, label }) => {
      const text = label ?? (id === "" ? "–" : id);
      if (!isNamed(id)) return <code className="cut">{text}</code>;
      return <Link href={recordOf(range, { [PARAMETERS[group]]: id })}>{text}</Link>;
    },
  },
  { name: "Requests", isNumber: true, cell: ({ requests }) => formatCompact(requests) },
  {
    name: "Failed",
    isNumber: true,
    cell: ({ id, requests, failed }) => {
      const share = formatShare(failed, requests);
      if (failed === 0 || !isNamed(id)) return share;
      const wanted = { [PARAMETERS[group]]: id, status: "failed" };
      return <Link href={recordOf(range, wanted)}>{share}</Link>;
    },
  },
  {
    name: "Tokens",
    isNumber: true,
    cell: ({ promptTokens, completionTokens }) => formatCompact(promptTokens + completionTokens),
  },
  {
    name: "p95",
    isNumber: true,
    cell: ({ durationMs }) => formatDuration(durationMs?.p95 ?? null),
  },
  {
    name: "Cost",
    isNumber: true,
    cell: ({ cost, unpriced, requests }) => (unpriced >= requests ? "unknown" : formatCost(cost)),
  },
];

/** The range by model, key or endpoint. */
export function Breakdown({ range }: { range: Range }) {
  const [group, setGroup] = useState<Group>("model");
  const stats = useResource(resources.stats(statsQuery(range, group)), { keeps: true });
  return (
    <section className="panel">
      <header>
        <h2>Where it goes</h2>
        <Segments label="By" choices={GROUPS} value={group} onChange={setGroup} />
      </header>
      <Loading from={stats}>
        {({ totals }) => (
          <Table
            name={`Figures by ${group}`}
            columns={columnsFor(group, range)}
            rows={totals
              .toSorted((a, b) => b.cost - a.cost || b.requests - a.requests)
              .slice(0, SHOWN)
              .map((total) => ({ ...total, id: total.group ?? "" }))}
          />
        )}
      </Loading>
    </section>
  );
}

type ToolRow = Stats["tools"][number] & { id: string };

const toolColumns = (range: Range): Column<ToolRow>[] => [
  {
    name: "Tool",
    cell: ({ name }) => (
      <Link href={recordOf(range, { tool: name })}>
        <code>{name}</code>
      </Link>
    ),
  },
  { name: "Runs", isNumber: true, cell: ({ executions }) => formatCount(executions) },
  {
    name: "Failed",
    isNumber: true,
    cell: ({ name, failed, executions }) => {
      const share = formatShare(failed, executions);
      if (failed === 0) return share;
      return (
        <Link href={recordOf(range, { tool: name, toolStatus: "failed" })} className="bad-figure">
          {share}
        </Link>
      );
    },
  },
  {
    name: "p50",
    isNumber: true,
    cell: ({ durationMs }) => formatDuration(durationMs?.p50 ?? null),
  },
  {
    name: "p95",
    isNumber: true,
    cell: ({ durationMs }) => formatDuration(durationMs?.p95 ?? null),
  },
];

const ORDERS = [
  { value: "slow", label: "Slowest" },
  { value: "failing", label: "Failing" },
] as const;

const slowness = ({ durationMs }: ToolRow) => durationMs?.p95 ?? 0;
const failure = ({ failed, executions }: ToolRow) => failed / Math.max(executions, 1);

/** The tools that are slowest, or that fail most. */
export function ToolFigures({ tools, range }: { tools: Stats["tools"]; range: Range }) {
  const [order, setOrder] = useState<"slow" | "failing">("slow");
  const rank = order === "slow" ? slowness : failure;
  const rows = tools
    .map((tool) => ({ ...tool, id: tool.name }))
    .toSorted((a, b) => rank(b) - rank(a));
  return (
    <section className="panel">
      <header>
        <h2>Tools</h2>
        <Segments label="Order" choices={ORDERS} value={order} onChange={setOrder} />
      </header>
      {rows.length === 0 ? (
        <p className="hint">No tool ran.</p>
      ) : (
        <Table name="Tools by figures" columns={toolColumns(range)} rows={rows.slice(0, SHOWN)} />
      )}
    </section>
  );
}
