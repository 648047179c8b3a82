import { Brain, CircleCheck, CircleX, LoaderCircle } from "lucide-react";
import { useEffect, useState } from "react";
import type { ConversationDetail } from "../api-shapes.ts";
import { Content } from "../conversations/content.tsx";
import { turnsOf, readToolCalls, type TurnSteps } from "../conversations/read-record.ts";
import { ToolCard } from "../conversations/tool-card.tsx";
import { firstLine, formatCount, formatDuration } from "../format.ts";
import { resources } from "../http.ts";
import { Markdown } from "../parts/markdown.tsx";
import { Notice } from "../parts/notice.tsx";
import { Link } from "../router.tsx";
import { useResource } from "../use-resource.ts";
import type { Answer, ToolRun } from "./answer.ts";
import type { Entry } from "./use-chat.ts";

/** The record is written a moment after the answer has ended. */
const RECORD_EVERY_MS = 400;
const RECORD_WITHIN_MS = 15_000;
const TICK_MS = 100;

/** The turn on record, as soon as it is there. */
function useTurn({ conversationId, turnId, state, startedAt, totalMs }: Answer): TurnSteps | null {
  const find = (detail: unknown) =>
    turnsOf(detail as ConversationDetail).find((steps) => steps.turn.id === turnId) ?? null;
  const isMissing = (detail: unknown) => detail === undefined || find(detail) === null;
  const { data } = useResource(resources.conversation(conversationId ?? ""), {
    isWanted: conversationId !== null && state !== "running",
    every: (detail) =>
      isMissing(detail) && Date.now() - startedAt - (totalMs ?? 0) < RECORD_WITHIN_MS
        ? RECORD_EVERY_MS
        : false,
  });
  return data === null ? null : find(data);
}

/** What the proxy did before it answered: the rounds that the application does not see. */
function HiddenSteps({ turn }: { turn: TurnSteps }) {
  return turn.rounds.flatMap(({ messages, executions }) =>
    messages
      .filter(({ hidden, role }) => hidden && role === "assistant")
      .flatMap((message) =>
        readToolCalls(message.toolCalls).map((call) => (
          <ToolCard
            key={call.id}
            call={call}
            turnId={turn.turn.id}
            execution={executions.find(({ toolCallId }) => toolCallId === call.id) ?? null}
          />
        )),
      ),
  );
}

/** A tool while it runs, and until the record has it. */
function RunningTool({ run }: { run: ToolRun }) {
  const { name, status, durationMs, result } = run;
  const Icon = status === "running" ? LoaderCircle : status === "failed" ? CircleX : CircleCheck;
  return (
    <details
      className={`tool-card ${status === "failed" ? "failed" : status === "running" ? "running" : "done"}`}
      aria-label={`Call of ${name}`}
    >
      <summary>
        <Icon className="state-icon" aria-hidden="true" />
        <code className="tool-name">{name}</code>
        <span className="unseen">{status}</span>
        <code className="preview">{firstLine(run.arguments === "" ? "{}" : run.arguments)}</code>
        {status === "running" ? (
          <span className="hint">running</span>
        ) : (
          <span className="tool-time">{formatDuration(durationMs ?? 0)}</span>
        )}
        {result !== null && <span className="preview result">{firstLine(result)}</span>}
      </summary>
      <div className="tool-body">
        <pre>{run.arguments === "" ? "{}" : run.arguments}</pre>
        {result !== null && <pre>{result}</pre>}
      </div>
    </details>
  );
}

/** How long it has been running. */
function Working({ since }: { since: number }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <p className="working">
      <span className="pulse" aria-hidden="true" />
      Working <span className="hint">{((now - since) / 1000).toFixed(1)} s</span>
    </p>
  );
}

function AnswerFacts({ answer }: { answer: Answer }) {
  const { state, totalMs, firstMs, tokens, conversationId } = answer;
  return (
    <footer className="answer-facts">
      {state === "stopped" && <span>stopped</span>}
      {totalMs !== null && <span>{formatDuration(totalMs)}</span>}
      {firstMs !== null && <span>first token {formatDuration(firstMs)}</span>}
      {tokens !== null && (
        <span>
          {formatCount(tokens.prompt)} in, {formatCount(tokens.completion)} out
        </span>
      )}
      {conversationId !== null && state !== "running" && (
        <Link href={`/conversations/${conversationId}`}>On record</Link>
      )}
    </footer>
  );
}

function AnswerView({ answer }: { answer: Answer }) {
  const turn = useTurn(answer);
  return (
    <article
      className="message assistant"
      aria-label="Assistant"
      aria-busy={answer.state === "running"}
    >
      {turn === null ? (
        answer.tools.map((run) => <RunningTool key={run.id} run={run} />)
      ) : (
        <HiddenSteps turn={turn} />
      )}
      {answer.reasoning !== "" && (
        <details className="reasoning">
          <summary>
            <Brain aria-hidden="true" />
            Reasoning
          </summary>
          <Markdown text={answer.reasoning} />
        </details>
      )}
      {answer.text !== "" && <Markdown text={answer.text} />}
      {answer.state === "running" && <Working since={answer.startedAt} />}
      {answer.error !== null && <Notice tone="bad">{answer.error}</Notice>}
      <AnswerFacts answer={answer} />
    </article>
  );
}

/** Something that was said. */
export function EntryView({ entry }: { entry: Entry }) {
  const { message, answer, id } = entry;
  if (answer !== null) return <AnswerView answer={answer} />;
  const calls = readToolCalls(message["tool_calls"]);
  return (
    <article className={`message ${message.role}`} aria-label={message.role}>
      {message.role !== "user" && (
        <header>
          <strong>{message.role}</strong>
        </header>
      )}
      <Content
        content={message.content}
        look={message.role === "assistant" ? "markdown" : "plain"}
      />
      {calls.map((call) => (
        <ToolCard key={call.id} call={call} turnId={id} execution={null} />
      ))}
    </article>
  );
}
