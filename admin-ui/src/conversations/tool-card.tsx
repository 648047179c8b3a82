import type { ToolExecution } from "../api-shapes.ts";
import { formatDuration, formatJson } from "../format.ts";
import { Badge } from "../parts/notice.tsx";
import { LongText } from "./content.tsx";

/** A call as the model wrote it. */
export interface ToolCall {
  id: string;
  name: string;
  /** JSON text, as a rule. */
  arguments: string;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** The calls of a message; what is no call is left out. */
export function readToolCalls(toolCalls: unknown): ToolCall[] {
  if (!Array.isArray(toolCalls)) return [];
  return toolCalls.filter(isObject).map((call) => {
    const called = isObject(call["function"]) ? call["function"] : isObject(call["custom"]) ? call["custom"] : {};
    return { id: textOf(call["id"]), name: textOf(called["name"]), arguments: textOf(called["arguments"] ?? called["input"]) };
  });
}

function Labelled({ label, text }: { label: string; text: string }) {
  return (
    <div className="labelled">
      <h3>{label}</h3>
      <LongText code text={text} />
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

/** One call of a tool: what the model asked for, and what became of it. Without an execution it is the client's to run. */
export function ToolCard({ call, execution }: { call: ToolCall; execution: ToolExecution | null }) {
  const hasFailed = execution !== null && execution.error !== null;
  return (
    <article className={hasFailed ? "tool-card failed" : "tool-card"} aria-label={`Call of ${call.name}`}>
      <header>
        <code>{call.name}</code>
        {execution === null ? (
          <Badge tone="quiet">run by the client</Badge>
        ) : (
          <Badge tone={hasFailed ? "bad" : "good"}>{hasFailed ? "failed" : "done"}</Badge>
        )}
        {execution !== null && (
          <span className="hint">
            {execution.type} · {formatDuration(execution.durationMs)}
          </span>
        )}
      </header>
      <Labelled label="Arguments" text={call.arguments === "" ? "{}" : formatJson(call.arguments)} />
      {execution !== null && <Outcome execution={execution} />}
    </article>
  );
}
