import { Archive } from "lucide-react";
import { countOf, formatCount, formatDuration } from "../format.ts";
import { own } from "../own.ts";
import { Notice } from "../parts/notice.tsx";
import { Moment } from "../parts/table.tsx";
import { Cost } from "./cost.tsx";
import { HiddenMark, ProducedMessage, SentMessage } from "./message-view.tsx";
import { stepId, type RoundStep, type TurnSteps } from "./read-record.ts";
import { StatusBadge } from "./status.tsx";
import { Tokens } from "./tokens.tsx";

/** What goes without saying: the answer is there, or the calls are. */
const USUAL_ENDS = new Set(["stop", "tool_calls"]);

function RoundFigures({ round }: { round: NonNullable<RoundStep["round"]> }) {
  const { durationMs, timeToFirstTokenMs, finishReason, cachedTokens, reasoningTokens } = round;
  return (
    <>
      <span>{formatDuration(durationMs)}</span>
      {timeToFirstTokenMs !== null && <span>first token {formatDuration(timeToFirstTokenMs)}</span>}
      {round.totalTokens !== null && (
        <span>
          <Tokens of={round} kind="promptTokens" /> in
          {cachedTokens !== null &&
            cachedTokens > 0 &&
            ` (${formatCount(cachedTokens)} cached)`},{" "}
          <Tokens of={round} kind="completionTokens" /> out
          {reasoningTokens !== null &&
            reasoningTokens > 0 &&
            ` (${formatCount(reasoningTokens)} reasoning)`}
        </span>
      )}
      {round.cost !== null && <Cost of={round} />}
      {finishReason !== null && !USUAL_ENDS.has(finishReason) && <code>{finishReason}</code>}
    </>
  );
}

/** One round: the model's answer, the tools it called, and the figures of it. */
function RoundView({ step, turn }: { step: RoundStep; turn: TurnSteps["turn"] }) {
  const { number, round, messages, executions } = step;
  const answers = messages.filter(({ role }) => role !== "tool");
  const isHidden = answers.length > 0 && answers.every(({ hidden }) => hidden);
  return (
    <section
      className={isHidden ? "round hidden-round" : "round"}
      id={stepId(turn.id, `round-${number}`)}
      aria-label={`Round ${number}`}
    >
      <header className="round-header">
        <h3>Round {number}</h3>
        {isHidden && <HiddenMark isResponse={turn.endpoint === "/v1/responses"} />}
        {round !== null && <RoundFigures round={round} />}
        {round !== null && round.status !== "completed" && <StatusBadge status={round.status} />}
      </header>
      {round?.error !== null && round?.error !== undefined && (
        <Notice tone="bad">{round.error}</Notice>
      )}
      {round?.notes.map((note) => (
        <p key={note} className="hint">
          {note}
        </p>
      ))}
      {answers.map((message) => (
        <ProducedMessage key={message.id} message={message} executions={executions} />
      ))}
    </section>
  );
}

const STOP_REASONS: Record<string, string> = {
  answered: "",
  client_calls: "handed calls to the client",
};

/** The same was asked before: no model was asked again. */
function CachedMark() {
  return (
    <span
      className="cached-mark"
      title="The key’s answer cache had this answer: no model was asked, and it cost nothing."
    >
      <Archive aria-hidden="true" />
      from the answer cache
    </span>
  );
}

function TurnFacts({ turn }: { turn: TurnSteps["turn"] }) {
  const stop =
    turn.loopStopReason === null
      ? ""
      : (own(STOP_REASONS, turn.loopStopReason) ?? turn.loopStopReason.replaceAll("_", " "));
  return (
    <p className="turn-facts">
      {turn.status !== "completed" && <StatusBadge status={turn.status} />}
      {turn.cached && <CachedMark />}
      <Moment iso={turn.startedAt} />
      <span>{formatDuration(turn.durationMs)}</span>
      {turn.totalTokens !== null && (
        <span>
          <Tokens of={turn} /> tokens
        </span>
      )}
      {turn.cost !== null && <Cost of={turn} />}
      <span>{turn.streamed ? "streamed" : "whole"}</span>
      <code>{turn.endpoint}</code>
      {turn.httpStatus !== 200 && <span>HTTP {turn.httpStatus}</span>}
      {stop !== "" && <span>{stop}</span>}
    </p>
  );
}

function Offered({ turn }: { turn: TurnSteps["turn"] }) {
  const { toolsOffered, toolsShadowed } = turn;
  if (toolsOffered.length + toolsShadowed.length === 0) return null;
  return (
    <details className="offered">
      <summary>{countOf(toolsOffered.length, "tool")} offered</summary>
      <p>
        {toolsOffered.map((name) => (
          <code key={name} className="chip">
            {name}
          </code>
        ))}
      </p>
      {toolsShadowed.length > 0 && (
        <p className="hint">
          Not offered, because the client has a tool of that name:{" "}
          <code>{toolsShadowed.join(", ")}</code>
        </p>
      )}
    </details>
  );
}

/** A body of which no text is kept. */
function Digest({ name, of }: { name: string; of: TurnSteps["turn"]["requestDigest"] }) {
  if (of === null) return null;
  return (
    <p className="hint">
      {name}: {formatCount(of.bytes)} bytes of <code>{of.contentType}</code>, by hash only:{" "}
      <code title={of.sha256}>{of.sha256.slice(0, 16)}…</code>
    </p>
  );
}

/** Why a turn went wrong, and the code that its client got. */
function TurnError({ turn: { status, error, errorCode } }: { turn: TurnSteps["turn"] }) {
  if (error === null && errorCode === null) return null;
  return (
    <Notice tone={status === "refused" ? "warn" : "bad"}>
      <span>
        {status === "refused" && <strong>Refused by the proxy. </strong>}
        {error}
      </span>
      {errorCode !== null && <code>{errorCode}</code>}
    </Notice>
  );
}

/** One turn: a request and its answer, with the rounds that the client did not see. */
export function TurnView({ number, steps }: { number: number; steps: TurnSteps }) {
  const { turn, sent, rounds } = steps;
  return (
    <section className="turn" id={stepId(turn.id, "turn")} aria-label={`Turn ${number}`}>
      <header className="turn-header">
        <h2>Turn {number}</h2>
        <TurnFacts turn={turn} />
      </header>
      {sent.map((message) => (
        <SentMessage key={message.id} message={message} />
      ))}
      <Offered turn={turn} />
      {rounds.map((step) => (
        <RoundView key={step.number} step={step} turn={turn} />
      ))}
      <Digest name="Request" of={turn.requestDigest} />
      <Digest name="Answer" of={turn.responseDigest} />
      <TurnError turn={turn} />
    </section>
  );
}
