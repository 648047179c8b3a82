import { CircleCheck, CircleX, CornerUpRight } from "lucide-react";
import type { ToolExecution } from "../api-shapes.ts";
import { firstLine, formatDuration, formatJson } from "../format.ts";
import { LongText } from "./content.tsx";
import { stepId, type ToolCall } from "./read-record.ts";

function Labelled({ label, text }: { label: string; text: string }) {
  return (
    <div className="labelled">
      <h4>{label}</h4>
      <LongText look="code" text={text} />
    </div>
  );
}

function Outcome({ execution }: { execution: ToolExecution }) {
  const logs = Array.isArray(execution.logs) ? execution.logs.map(String) : [];
  return (
    <>
      {execution.error !== null && <Labelled label="Error" text={execution.error} />}
      {execution.result !== null && <Labelled label="Result" text={formatJson(execution.result)} />}
      {logs.length > 0 && <Labelled label="Console" text={logs.join("\n")} />}
    </>
  );
}

type State = "done" | "failed" | "client";

const STATES = {
  done: { icon: CircleCheck, word: "done" },
  failed: { icon: CircleX, word: "failed" },
  client: { icon: CornerUpRight, word: "run by the client" },
};

/**
 * One call of a tool: what the model asked for, and what became of it. Without an execution it is
 * the client's to run.
 */
export function ToolCard({
  call,
  execution,
  turnId,
}: {
  call: ToolCall;
  execution: ToolExecution | null;
  turnId: string;
}) {
  const state: State = execution === null ? "client" : execution.error === null ? "done" : "failed";
  const { icon: Icon, word } = STATES[state];
  const preview = execution?.error ?? execution?.result ?? "";
  return (
    <details
      className={`tool-card ${state}`}
      id={stepId(turnId, call.id)}
      aria-label={`Call of ${call.name}`}
    >
      <summary>
        <Icon className="state-icon" aria-hidden="true" />
        <code className="tool-name">{call.name}</code>
        <span className="unseen">{word}</span>
        <code className="preview">{firstLine(call.arguments === "" ? "{}" : call.arguments)}</code>
        {state === "client" && <span className="hint">{word}</span>}
        {execution !== null && (
          <span className="tool-time">{formatDuration(execution.durationMs)}</span>
        )}
        {preview !== "" && <span className="preview result">{firstLine(preview)}</span>}
      </summary>
      <div className="tool-body">
        {execution !== null && (
          <p className="hint">
            {execution.type === "mcp" ? "MCP tool" : "Function"} · <code>{call.id}</code>
          </p>
        )}
        <Labelled
          label="Arguments"
          text={call.arguments === "" ? "{}" : formatJson(call.arguments)}
        />
        {execution !== null && <Outcome execution={execution} />}
      </div>
    </details>
  );
}
