import type { Conversation } from "../api-shapes.ts";
import { formatCount, formatDuration } from "../format.ts";
import { Badge, type Tone } from "../parts/notice.tsx";
import { Moment, Table, type Column } from "../parts/table.tsx";
import { Link } from "../router.tsx";
import { Tokens } from "./tokens.tsx";

const TONES: Record<Conversation["status"], Tone> = { completed: "good", failed: "bad", cancelled: "warn" };

/** How a turn, a round or a conversation ended. */
export function StatusBadge({ status }: { status: Conversation["status"] }) {
  return <Badge tone={TONES[status]}>{status}</Badge>;
}

/** What a conversation is called: its first question, where it has one. */
export const titleOf = ({ title, endpoint }: Pick<Conversation, "title" | "endpoint">): string => (title === "" ? endpoint : title);

const COLUMNS: Column<Conversation>[] = [
  {
    name: "Conversation",
    cell: (row) => (
      <Link href={`/conversations/${row.id}`} className="title">
        {titleOf(row)}
      </Link>
    ),
  },
  { name: "Status", cell: (row) => <StatusBadge status={row.status} /> },
  { name: "Key", cell: (row) => <Link href={`/conversations?apiKeyId=${row.apiKeyId}`}>{row.apiKeyName}</Link> },
  { name: "Model", cell: (row) => <code>{row.model ?? "–"}</code> },
  { name: "Tools run", isNumber: true, cell: (row) => formatCount(row.toolExecutionCount) },
  { name: "Tokens", isNumber: true, cell: (row) => <Tokens of={row} /> },
  { name: "Duration", isNumber: true, cell: (row) => formatDuration(row.durationMs) },
  { name: "Started", cell: (row) => <Moment iso={row.createdAt} /> },
];

/** Conversations, a row each. */
export function ConversationTable({ conversations }: { conversations: Conversation[] }) {
  return <Table name="Conversations" columns={COLUMNS} rows={conversations} />;
}
