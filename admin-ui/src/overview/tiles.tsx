import type { ReactNode } from "react";
import type { StatsFigures } from "../api-shapes.ts";
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

/** The range at a glance. */
export function Tiles({ total }: { total: StatsFigures }) {
  const {
    requests,
    failed,
    cancelled,
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
        {cancelled === 0 ? "none cancelled" : `${formatCount(cancelled)} cancelled`}
      </Tile>
      <Tile name="Errors" value={formatShare(failed, requests)}>
        {failed === 0 ? "none failed" : `${formatCount(failed)} failed`}
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
