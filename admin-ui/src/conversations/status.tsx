import { Ban, CircleCheck, CircleSlash, CircleX } from "lucide-react";
import type { Conversation } from "../api-shapes.ts";
import { Badge, type Tone } from "../parts/notice.tsx";

const TONES: Record<Conversation["status"], Tone> = {
  completed: "good",
  failed: "bad",
  cancelled: "warn",
  refused: "warn",
};
const ICONS = { completed: CircleCheck, failed: CircleX, cancelled: CircleSlash, refused: Ban };

/** How a turn, a round or a conversation ended. */
export function StatusBadge({ status }: { status: Conversation["status"] }) {
  return <Badge tone={TONES[status]}>{status}</Badge>;
}

interface StatusIconProps {
  status: Conversation["status"];
  /** What there is to say of it, for the pointer. */
  says?: string;
}

/** The same as a sign, for lists. */
function StatusIcon({ status, says = status }: StatusIconProps) {
  const Icon = ICONS[status];
  return (
    <span className={`status-icon ${TONES[status]}`} role="img" aria-label={status} title={says}>
      <Icon aria-hidden="true" />
    </span>
  );
}

const ofTurn = (status: Conversation["status"]): string =>
  status === "completed" ? "" : `A turn ${status === "failed" ? "failed" : `was ${status}`}`;

type Row = Pick<Conversation, "status" | "statuses" | "error">;

/** How a conversation stands, and what of its turns went otherwise. */
export function RowStatus({ row: { status, statuses, error } }: { row: Row }) {
  const others = statuses.filter((other) => other !== status && other !== "completed");
  const says = (what: string) => [what, error].filter((text) => text !== null).join(": ");
  return (
    <>
      <StatusIcon status={status} says={status === "completed" ? status : says(status)} />
      {others.map((other) => (
        <StatusIcon key={other} status={other} says={says(ofTurn(other))} />
      ))}
    </>
  );
}
