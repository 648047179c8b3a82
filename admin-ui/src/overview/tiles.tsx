import type { ReactNode } from "react";
import type { StatsFigures } from "../api-shapes.ts";
import { Link } from "../router.tsx";
import { recordOf, type RANGES } from "./range.ts";
import { formatCompact, formatCost, formatCount, formatDuration, formatShare } from "../format.ts";

function Tile({ name, value, children }: { name: string; value: string; children: ReactNode }) {
  return (
    <div className="tile">
      <dt>{name}</dt>
      <dd className="figure">{value}</dd>
      <dd className="hint">{children}</dd>
    </div>
  );
}

interface TilesProps {
  total: StatsFigures;
  range: (typeof RANGES)[number];
}

/** The range at a glance. */
export function Tiles({ total, range }: TilesProps) {
  const linkTo = (status: string, text: string) => (
    <Link href={recordOf(range, { status })}>{text}</Link>
  );
  const {
    requests,
    failed,
    cancelled,
    refused,
    cost,
    unpriced,
    promptTokens,
    completionTokens,
    cachedTokens,
    durationMs,
    timeToFirstTokenMs,
  } = total;
  return (
    <dl className="tiles">
      <Tile name="Requests" value={formatCompact(requests)}>
        {cancelled === 0
          ? "none cancelled"
          : linkTo("cancelled", `${formatCount(cancelled)} cancelled`)}
      </Tile>
      <Tile name="Errors" value={formatShare(failed, requests)}>
        {failed === 0 ? "none failed" : linkTo("failed", `${formatCount(failed)} failed`)}
        {refused > 0 && ", "}
        {refused > 0 && linkTo("refused", `${formatCount(refused)} refused`)}
      </Tile>
      <Tile name="Cost" value={formatCost(cost)}>
        {unpriced === 0 ? "all priced" : `${formatCount(unpriced)} of unknown price`}
      </Tile>
      <Tile name="Tokens" value={formatCompact(promptTokens + completionTokens)}>
        {formatShare(cachedTokens, promptTokens)} of the prompt cached
      </Tile>
      <Tile name="Latency" value={formatDuration(durationMs?.p50 ?? null)}>
        p95 {formatDuration(durationMs?.p95 ?? null)}
      </Tile>
      <Tile name="First token" value={formatDuration(timeToFirstTokenMs?.p50 ?? null)}>
        p95 {formatDuration(timeToFirstTokenMs?.p95 ?? null)}
      </Tile>
    </dl>
  );
}
