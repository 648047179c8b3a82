import { useState } from "react";
import type { ConversationDetail } from "../api-shapes.ts";
import { countOf, formatCount, formatDuration, formatMoment } from "../format.ts";
import { resources } from "../http.ts";
import { CopyBlock } from "../parts/copy.tsx";
import { Loading } from "../parts/notice.tsx";
import { Page } from "../parts/page.tsx";
import { Link } from "../router.tsx";
import { useResource } from "../use-resource.ts";
import { StatusBadge, titleOf } from "./conversation-table.tsx";
import { Tokens } from "./tokens.tsx";
import { TurnView } from "./turn-view.tsx";

function TokensInAndOut({ conversation }: { conversation: ConversationDetail }) {
  const { promptTokens, completionTokens, totalTokens } = conversation;
  return (
    <>
      <Tokens of={conversation} />
      {totalTokens !== null && ` (${formatCount(promptTokens)} in, ${formatCount(completionTokens)} out)`}
    </>
  );
}

function Facts({ conversation }: { conversation: ConversationDetail }) {
  const { id, apiKeyId, apiKeyName, model, endpoint, createdAt, durationMs, status, toolExecutionCount } = conversation;
  const facts = {
    Status: <StatusBadge status={status} />,
    Key: <Link href={`/conversations?apiKeyId=${apiKeyId}`}>{apiKeyName}</Link>,
    Model: <code>{model ?? "–"}</code>,
    Endpoint: <code>{endpoint}</code>,
    Started: formatMoment(createdAt),
    Duration: formatDuration(durationMs),
    Tokens: <TokensInAndOut conversation={conversation} />,
    "Tools run": formatCount(toolExecutionCount),
    Id: <code>{id}</code>,
  };
  return (
    <dl className="summary">
      {Object.entries(facts).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Turns({ conversation }: { conversation: ConversationDetail }) {
  return conversation.turns.map((turn, index) => {
    const isOfTurn = ({ turnId }: { turnId: string }) => turnId === turn.id;
    const messages = conversation.messages.filter(isOfTurn);
    const parts = {
      turn,
      messages,
      toolExecutions: conversation.toolExecutions.filter(isOfTurn),
      rounds: conversation.rounds.filter(isOfTurn),
    };
    return <TurnView key={turn.id} number={index + 1} parts={parts} />;
  });
}

/** `/conversations/:id`: a chat first, with everything that is on record about it. */
export function ConversationPage({ id }: { id: string }) {
  const conversation = useResource(resources.conversation(id));
  const [isRaw, setIsRaw] = useState(false);
  const { data } = conversation;
  return (
    <Page
      title={data === null ? "Conversation" : titleOf(data)}
      actions={
        <>
          <Link href="/conversations">All conversations</Link>
          <button type="button" aria-pressed={isRaw} disabled={data === null} onClick={() => setIsRaw(!isRaw)}>
            Raw JSON
          </button>
        </>
      }
    >
      <Loading from={conversation}>
        {(detail) => (
          <>
            <Facts conversation={detail} />
            {isRaw ? (
              <CopyBlock label={`JSON of ${countOf(detail.messages.length, "message")}`} text={JSON.stringify(detail, null, 2)} />
            ) : (
              <Turns conversation={detail} />
            )}
          </>
        )}
      </Loading>
    </Page>
  );
}
