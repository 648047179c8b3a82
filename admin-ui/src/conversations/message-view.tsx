import { Brain, Eye, EyeOff } from "lucide-react";
import type { Message, ToolExecution } from "../api-shapes.ts";
import { countOf } from "../format.ts";
import { own } from "../own.ts";
import { Content } from "./content.tsx";
import { isObject, readToolCalls, reasoningOf } from "./read-record.ts";
import { ToolCard } from "./tool-card.tsx";

const NAMES: Record<string, string> = {
  user: "User",
  assistant: "Assistant",
  system: "System",
  developer: "Developer",
  tool: "Tool result of the client",
};

/** What a client sees of a round whose tools the proxy ran. */
export function HiddenMark({ isResponse }: { isResponse: boolean }) {
  if (isResponse)
    return (
      <span
        className="hidden-mark"
        title="The proxy ran the tools inside the turn: its client sees each as an mcp_call item"
      >
        <Eye aria-hidden="true" />
        run by the proxy
      </span>
    );
  return (
    <span
      className="hidden-mark"
      title="The client did not see this: the proxy ran it inside the turn"
    >
      <EyeOff aria-hidden="true" />
      hidden from the client
    </span>
  );
}

function Reasoning({ text }: { text: string }) {
  return (
    <details className="reasoning">
      <summary>
        <Brain aria-hidden="true" />
        Reasoning <span className="hint">{countOf(text.split(/\s+/).length, "word")}</span>
      </summary>
      <Content content={text} look="markdown" />
    </details>
  );
}

const lengthOf = (content: unknown): number =>
  (typeof content === "string" ? content : JSON.stringify(content ?? "")).length;

/** Instructions: folded, because they are long and the same each time. */
function Instructions({ message }: { message: Message }) {
  return (
    <details className="instructions">
      <summary>
        {own(NAMES, message.role)}{" "}
        <span className="hint">{countOf(lengthOf(message.content), "character")}</span>
      </summary>
      <Content content={message.content} />
    </details>
  );
}

/** A message that the client sent. */
export function SentMessage({ message }: { message: Message }) {
  const { role, content, toolCallId, turnId } = message;
  if (role === "system" || role === "developer") return <Instructions message={message} />;
  const calls = readToolCalls(message.toolCalls);
  return (
    <article className={`message ${role}`} aria-label={own(NAMES, role) ?? role}>
      <header>
        <strong>{own(NAMES, role) ?? role}</strong>
        {isObject(message.extra) && typeof message.extra["name"] === "string" && (
          <span className="hint">{message.extra["name"]}</span>
        )}
        {toolCallId !== null && <code className="hint">{toolCallId}</code>}
      </header>
      <Content
        content={content}
        look={role === "assistant" ? "markdown" : role === "tool" ? "code" : "plain"}
      />
      {calls.map((call) => (
        <ToolCard key={call.id} call={call} execution={null} turnId={turnId} />
      ))}
    </article>
  );
}

/** A message of the model, with what its calls became. */
export function ProducedMessage({
  message,
  executions,
}: {
  message: Message;
  executions: ToolExecution[];
}) {
  const calls = readToolCalls(message.toolCalls);
  const reasoning = reasoningOf(message);
  const isEmpty = lengthOf(message.content) <= 2 && calls.length === 0 && reasoning === "";
  return (
    <article className="message assistant" aria-label="Assistant">
      {reasoning !== "" && <Reasoning text={reasoning} />}
      <Content content={message.content} look="markdown" />
      {isEmpty && <p className="hint">No content is on record.</p>}
      {calls.map((call) => (
        <ToolCard
          key={call.id}
          call={call}
          turnId={message.turnId}
          execution={executions.find(({ toolCallId }) => toolCallId === call.id) ?? null}
        />
      ))}
    </article>
  );
}
