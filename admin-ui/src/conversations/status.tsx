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

/** The same as a sign, for lists. */
export function StatusIcon({ status }: { status: Conversation["status"] }) {
  const Icon = ICONS[status];
  return (
    <span className={`status-icon ${TONES[status]}`} role="img" aria-label={status} title={status}>
      <Icon aria-hidden="true" />
    </span>
  );
}
