import { Braces, ChevronLeft, SquareTerminal, Trash2 } from "lucide-react";
import { useState } from "react";
import type { ConversationDetail } from "../api-shapes.ts";
import { countOf } from "../format.ts";
import { actions, resources } from "../http.ts";
import { CopyBlock, CopyButton } from "../parts/copy.tsx";
import { ConfirmDialog } from "../parts/dialog.tsx";
import { Menu } from "../parts/menu.tsx";
import { Loading } from "../parts/notice.tsx";
import { Page } from "../parts/page.tsx";
import { Link, navigate } from "../router.tsx";
import { useKeys } from "../use-keys.ts";
import { useRefresh, useResource } from "../use-resource.ts";
import { titleOf } from "./conversation-table.tsx";
import { turnsOf } from "./read-record.ts";
import { asCurl } from "./request-of.ts";
import { SidePanel } from "./side-panel.tsx";
import { TurnView } from "./turn-view.tsx";

function Inherited({ detail }: { detail: ConversationDetail }) {
  const turns = detail.inherited === undefined ? [] : turnsOf(detail.inherited);
  if (turns.length === 0) return null;
  return (
    <details className="inherited">
      <summary>
        Goes on from {countOf(turns.length, "turn")} of{" "}
        {detail.branchOfConversationId === null ? (
          "another conversation"
        ) : (
          <Link href={`/conversations/${detail.branchOfConversationId}`}>another conversation</Link>
        )}
      </summary>
      {turns.map((steps, index) => (
        <TurnView key={steps.turn.id} number={index + 1} steps={steps} />
      ))}
    </details>
  );
}

function Chat({ detail }: { detail: ConversationDetail }) {
  const turns = turnsOf(detail);
  return (
    <div className="conversation">
      <div className="chat">
        <Inherited detail={detail} />
        {turns.map((steps, index) => (
          <TurnView key={steps.turn.id} number={index + 1} steps={steps} />
        ))}
      </div>
      <SidePanel detail={detail} turns={turns} />
    </div>
  );
}

/** Opens everything that is folded, or folds it all where it is open. */
function toggleFolds(): void {
  const folds = [...document.querySelectorAll<HTMLDetailsElement>(".chat details")];
  const isOpen = folds.some(({ open }) => !open);
  for (const fold of folds) fold.open = isOpen;
}

interface HeaderProps {
  detail: ConversationDetail;
  isRaw: boolean;
  turnRaw: () => void;
  remove: () => void;
}

function HeaderActions({ detail, isRaw, turnRaw, remove }: HeaderProps) {
  return (
    <>
      <button type="button" aria-pressed={isRaw} onClick={turnRaw}>
        <Braces aria-hidden="true" />
        Raw JSON
      </button>
      {detail.kind === "conversation" && (
        <>
          <CopyButton text={asCurl(detail)}>Copy as curl</CopyButton>
          <Link href={`/playground?conversation=${detail.id}`} className="button">
            <SquareTerminal aria-hidden="true" />
            Open in playground
          </Link>
        </>
      )}
      <Menu
        label="More actions"
        items={[
          {
            name: "Delete conversation…",
            icon: <Trash2 aria-hidden="true" />,
            onSelect: remove,
            isDangerous: true,
          },
        ]}
      />
    </>
  );
}

function DeleteDialog({ id, onClose }: { id: string; onClose: () => void }) {
  const refresh = useRefresh();
  const remove = async () => {
    await actions.deleteConversation(id);
    navigate("/conversations", { replace: true });
    await refresh();
  };
  return (
    <ConfirmDialog
      title="Delete this conversation?"
      verb="Delete conversation"
      onConfirm={remove}
      onClose={onClose}
    >
      Its messages, tool results and figures go for ever. What it cost stays in the statistics.
    </ConfirmDialog>
  );
}

/** `/conversations/:id`: a chat first, with everything that is on record about it. */
export function ConversationPage({ id }: { id: string }) {
  const conversation = useResource(resources.conversation(id));
  const [isRaw, setIsRaw] = useState(false);
  const [isDeleting, setIsDeleting] = useState(false);
  const turnRaw = () => setIsRaw((before) => !before);
  useKeys({ e: toggleFolds, r: turnRaw });
  const { data } = conversation;
  return (
    <Page
      title={data === null ? "Conversation" : titleOf(data)}
      width="full"
      above={
        <Link href="/conversations" className="back">
          <ChevronLeft aria-hidden="true" />
          Conversations
        </Link>
      }
      actions={
        data !== null && (
          <HeaderActions
            detail={data}
            isRaw={isRaw}
            turnRaw={turnRaw}
            remove={() => setIsDeleting(true)}
          />
        )
      }
    >
      <Loading from={conversation} lines={8}>
        {(detail) =>
          isRaw ? (
            <CopyBlock
              label={`JSON of ${countOf(detail.messages.length, "message")}`}
              text={JSON.stringify(detail, null, 2)}
            />
          ) : (
            <Chat detail={detail} />
          )
        }
      </Loading>
      {isDeleting && <DeleteDialog id={id} onClose={() => setIsDeleting(false)} />}
    </Page>
  );
}
