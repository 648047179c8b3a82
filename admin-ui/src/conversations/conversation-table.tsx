import { GitBranch, Wrench } from "lucide-react";
import type { Conversation } from "../api-shapes.ts";
import { countOf, formatDuration } from "../format.ts";
import { Moment, Table, type Column } from "../parts/table.tsx";
import { Link } from "../router.tsx";
import { Cost } from "./cost.tsx";
import { RowStatus } from "./status.tsx";
import { Tokens } from "./tokens.tsx";

/** What a conversation is called: its first question, where it has one. */
export const titleOf = ({ title, endpoint }: Pick<Conversation, "title" | "endpoint">): string =>
  title === "" ? endpoint : title;

function Tools({ row }: { row: Conversation }) {
  if (row.toolExecutionCount === 0) return <span className="hint">–</span>;
  const failed = row.toolsFailed.length > 0;
  const says = failed ? `Failed: ${row.toolsFailed.join(", ")}` : row.toolsUsed.join(", ");
  return (
    <span className={failed ? "tool-count bad-figure" : "tool-count"} title={says}>
      <Wrench aria-hidden="true" />
      {row.toolExecutionCount}
      {failed && <span className="unseen">{says}</span>}
    </span>
  );
}

const COLUMNS: Column<Conversation>[] = [
  {
    name: "Conversation",
    cell: (row) => (
      <span className="conversation-cell">
        <RowStatus row={row} />
        <Link href={`/conversations/${row.id}`} className="row-link" data-row>
          {titleOf(row)}
        </Link>
        {row.branchOfConversationId !== null && (
          <span title="Branch of another conversation" role="img" aria-label="branch">
            <GitBranch aria-hidden="true" className="inline-icon" />
          </span>
        )}
        {row.status !== "completed" && row.errorCode !== null && (
          <code className="chip" title={row.error ?? ""}>
            {row.errorCode}
          </code>
        )}
        {row.turnCount > 1 && <span className="chip">{countOf(row.turnCount, "turn")}</span>}
      </span>
    ),
  },
  { name: "Key", cell: (row) => <span className="cut">{row.apiKeyName}</span> },
  { name: "Model", cell: (row) => <code className="cut">{row.model ?? "–"}</code> },
  { name: "Tools", isNumber: true, cell: (row) => <Tools row={row} /> },
  { name: "Tokens", isNumber: true, cell: (row) => <Tokens of={row} /> },
  { name: "Cost", isNumber: true, cell: (row) => <Cost of={row} /> },
  { name: "Duration", isNumber: true, cell: (row) => formatDuration(row.durationMs) },
  { name: "Started", isNumber: true, cell: (row) => <Moment iso={row.createdAt} /> },
];

/** Conversations, a row each. */
export function ConversationTable({
  conversations,
  fresh,
}: {
  conversations: Conversation[];
  fresh?: ReadonlySet<string>;
}) {
  return (
    <Table
      name="Conversations"
      columns={COLUMNS}
      rows={conversations}
      {...(fresh === undefined ? {} : { fresh })}
    />
  );
}
