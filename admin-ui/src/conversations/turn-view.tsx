import type { Message, Round, ToolExecution, Turn } from "../api-shapes.ts";
import { formatDuration } from "../format.ts";
import { Badge, Notice } from "../parts/notice.tsx";
import { Moment, Table, type Column } from "../parts/table.tsx";
import { Content } from "./content.tsx";
import { StatusBadge } from "./conversation-table.tsx";
import { Tokens } from "./tokens.tsx";
import { readToolCalls, ToolCard } from "./tool-card.tsx";

/** A turn with all that belongs to it. */
interface TurnParts {
  turn: Turn;
  messages: Message[];
  toolExecutions: ToolExecution[];
  rounds: Round[];
}

const ROUND_COLUMNS: Column<Round & { id: string }>[] = [
  { name: "Round", cell: ({ round }) => round },
  {
    name: "Status",
    cell: ({ status, error }) =>
      error === null ? (
        <StatusBadge status={status} />
      ) : (
        <span title={error}>
          <StatusBadge status={status} />
        </span>
      ),
  },
  { name: "First token", isNumber: true, cell: ({ timeToFirstTokenMs }) => formatDuration(timeToFirstTokenMs) },
  { name: "Duration", isNumber: true, cell: ({ durationMs }) => formatDuration(durationMs) },
  { name: "Prompt", isNumber: true, cell: (round) => <Tokens of={round} kind="promptTokens" /> },
  { name: "Completion", isNumber: true, cell: (round) => <Tokens of={round} kind="completionTokens" /> },
  { name: "Tokens", isNumber: true, cell: (round) => <Tokens of={round} /> },
  { name: "Ended with", cell: ({ finishReason, error }) => error ?? finishReason ?? "–" },
];

function MessageView({ message, executions }: { message: Message; executions: Map<string, ToolExecution> }) {
  const calls = readToolCalls(message.toolCalls);
  const isEmpty = (message.content === null || message.content === "") && calls.length === 0;
  return (
    <li className={`message ${message.role}${message.hidden ? " hidden-message" : ""}`}>
      <header>
        <strong>{message.role}</strong>
        {message.hidden && <Badge tone="warn">hidden from the client</Badge>}
        {message.round !== null && <span className="hint">round {message.round}</span>}
        {message.toolCallId !== null && <code className="hint">{message.toolCallId}</code>}
      </header>
      <Content content={message.content} />
      {isEmpty && <p className="hint">No content</p>}
      {calls.map((call) => (
        <ToolCard key={call.id} call={call} execution={executions.get(`${message.round} ${call.id}`) ?? null} />
      ))}
    </li>
  );
}

/** The results of tools stand in the cards of their calls: their messages would only say the same again. */
function isShownInCard(message: Message, toolExecutions: ToolExecution[]): boolean {
  return (
    message.role === "tool" &&
    message.hidden &&
    toolExecutions.some(({ toolCallId, round }) => toolCallId === message.toolCallId && round === message.round)
  );
}

function TurnFacts({ turn }: { turn: Turn }) {
  const facts = [
    `HTTP ${turn.httpStatus}`,
    formatDuration(turn.durationMs),
    ...(turn.timeToFirstTokenMs === null ? [] : [`first token after ${formatDuration(turn.timeToFirstTokenMs)}`]),
    turn.streamed ? "streamed" : "not streamed",
    ...(turn.loopStopReason === null ? [] : [`ended: ${turn.loopStopReason.replaceAll("_", " ")}`]),
  ];
  return (
    <p className="facts">
      <StatusBadge status={turn.status} /> <Moment iso={turn.startedAt} /> · {facts.join(" · ")}
      {turn.totalTokens !== null && (
        <>
          {" · "}
          <Tokens of={turn} /> {turn.totalTokens === 1 ? "token" : "tokens"}
        </>
      )}
    </p>
  );
}

function ToolNames({ label, names }: { label: string; names: string[] }) {
  if (names.length === 0) return null;
  return (
    <p className="facts">
      {label}{" "}
      {names.map((name) => (
        <code key={name} className="chip">
          {name}
        </code>
      ))}
    </p>
  );
}

/** One turn: a request and its answer, with the rounds that the client did not see. */
export function TurnView({ number, parts }: { number: number; parts: TurnParts }) {
  const { turn, messages, toolExecutions, rounds } = parts;
  const executions = new Map(toolExecutions.map((execution) => [`${execution.round} ${execution.toolCallId}`, execution]));
  const rows = rounds.map((round) => ({ ...round, id: `${round.turnId} ${round.round}` }));
  return (
    <section className="turn">
      <h2>Turn {number}</h2>
      <TurnFacts turn={turn} />
      <ToolNames label="Tools offered:" names={turn.toolsOffered} />
      <ToolNames label="Not offered, because the client has a tool of that name:" names={turn.toolsShadowed} />
      {turn.error !== null && <Notice tone="bad">{turn.error}</Notice>}
      <ol className="messages">
        {messages
          .filter((message) => !isShownInCard(message, toolExecutions))
          .map((message) => (
            <MessageView key={message.id} message={message} executions={executions} />
          ))}
      </ol>
      {rows.length > 0 && (
        <>
          <h3>Rounds</h3>
          <Table name={`Rounds of turn ${number}`} columns={ROUND_COLUMNS} rows={rows} />
        </>
      )}
    </section>
  );
}
