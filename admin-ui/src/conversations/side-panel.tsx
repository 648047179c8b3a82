import { GitBranch } from "lucide-react";
import { useState, type ReactNode } from "react";
import type { ConversationDetail } from "../api-shapes.ts";
import { formatCount, formatDuration, formatMoment } from "../format.ts";
import { Moment } from "../parts/table.tsx";
import { Link } from "../router.tsx";
import { Cost } from "./cost.tsx";
import type { TurnSteps } from "./read-record.ts";
import { StatusBadge } from "./status.tsx";
import { Timeline } from "./timeline.tsx";
import { Tokens } from "./tokens.tsx";

function TokenFacts({ detail }: { detail: ConversationDetail }) {
  const { promptTokens, completionTokens, totalTokens, cachedTokens, reasoningTokens } = detail;
  const parts = [
    `${formatCount(promptTokens)} in`,
    ...(cachedTokens === null || cachedTokens === 0 ? [] : [`${formatCount(cachedTokens)} cached`]),
    `${formatCount(completionTokens)} out`,
    ...(reasoningTokens === null || reasoningTokens === 0
      ? []
      : [`${formatCount(reasoningTokens)} reasoning`]),
  ];
  return (
    <>
      <Tokens of={detail} />
      {totalTokens !== null && <small>{parts.join(" · ")}</small>}
    </>
  );
}

function factsOf(detail: ConversationDetail): [string, ReactNode][] {
  const {
    apiKeyId,
    apiKeyName,
    model,
    endpoint,
    createdAt,
    durationMs,
    status,
    statuses,
    toolExecutionCount,
    toolsFailed,
    id,
  } = detail;
  const others = statuses.filter((other) => other !== status);
  return [
    ["Status", <StatusBadge key="status" status={status} />],
    ...others.map((other): [string, ReactNode] => [
      "Also",
      <StatusBadge key="status" status={other} />,
    ]),
    [
      "Key",
      <Link key="key" href={`/conversations?apiKeyId=${apiKeyId}`}>
        {apiKeyName}
      </Link>,
    ],
    ["Model", <code key="model">{model ?? "–"}</code>],
    ["Cost", <Cost key="cost" of={detail} />],
    ["Tokens", <TokenFacts key="tokens" detail={detail} />],
    ["Duration", formatDuration(durationMs)],
    ["Tools run", formatCount(toolExecutionCount)],
    ...(toolsFailed.length === 0
      ? []
      : [["Tools failed", toolsFailed.join(", ")] satisfies [string, ReactNode]]),
    ["Started", formatMoment(createdAt)],
    ["Endpoint", <code key="endpoint">{endpoint}</code>],
    [
      "Id",
      <code key="id" className="id">
        {id}
      </code>,
    ],
  ];
}

function Branches({ detail }: { detail: ConversationDetail }) {
  const { branches = [], branchOfConversationId } = detail;
  if (branches.length === 0 && branchOfConversationId === null) return null;
  return (
    <section className="branches">
      <h2>
        <GitBranch aria-hidden="true" /> Branches
      </h2>
      <ul>
        {branchOfConversationId !== null && (
          <li>
            <Link href={`/conversations/${branchOfConversationId}`}>
              The conversation that this one branched from
            </Link>
          </li>
        )}
        {branches.map(({ id, title, createdAt }) => (
          <li key={id}>
            <Link href={`/conversations/${id}`}>{title === "" ? "Untitled" : title}</Link>
            <Moment iso={createdAt} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/**
 * From here on the panel stands beside the chat; on narrower screens it is folded, so that the chat
 * comes first.
 */
const BESIDE = "(min-width: 1001px)";

/** Beside the chat: figures, the timeline, other ways that the conversation went. */
export function SidePanel({ detail, turns }: { detail: ConversationDetail; turns: TurnSteps[] }) {
  const [isBeside] = useState(() => matchMedia(BESIDE).matches);
  return (
    <details
      className="side-panel"
      role="complementary"
      aria-label="About this conversation"
      open={isBeside}
    >
      <summary>Figures and timeline</summary>
      <dl className="facts">
        {factsOf(detail).map(([name, value], index) => (
          // They are always the same, in the same order.
          // oxlint-disable-next-line react/no-array-index-key
          <div key={index}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Timeline turns={turns} />
      <Branches detail={detail} />
    </details>
  );
}
