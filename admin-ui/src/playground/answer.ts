/** An answer as it comes in. */
import { isObject, type Members } from "../conversations/read-record.ts";

/** A call of a tool that the proxy runs. */
export interface ToolRun {
  id: string;
  name: string;
  arguments: string;
  status: "running" | "completed" | "failed";
  /** What the model was told. */
  result: string | null;
  durationMs: number | null;
}

export interface Answer {
  /** In the order in which they began. */
  tools: ToolRun[];
  text: string;
  reasoning: string;
  state: "running" | "done" | "stopped" | "failed";
  error: string | null;
  /** Milliseconds. */
  startedAt: number;
  firstMs: number | null;
  totalMs: number | null;
  tokens: { prompt: number; completion: number } | null;
  /** Of the record, once they are known. */
  conversationId: string | null;
  turnId: string | null;
}

/** An answer of which nothing has come. */
export const emptyAnswer = (): Answer => ({
  tools: [],
  text: "",
  reasoning: "",
  state: "running",
  error: null,
  startedAt: Date.now(),
  firstMs: null,
  totalMs: null,
  tokens: null,
  conversationId: null,
  turnId: null,
});

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
const countOf = (value: unknown): number => (typeof value === "number" ? value : 0);

function deltaOf(chunk: Members): Members {
  const [choice] = Array.isArray(chunk["choices"]) ? (chunk["choices"] as unknown[]) : [];
  return isObject(choice) && isObject(choice["delta"]) ? choice["delta"] : {};
}

const STATES = ["running", "completed", "failed"] as const;

function toolRunOf(event: Members): ToolRun {
  const { status, result, durationMs } = event;
  return {
    id: textOf(event["id"]),
    name: textOf(event["name"]),
    arguments: textOf(event["arguments"]),
    status: STATES.find((state) => state === status) ?? "running",
    result: typeof result === "string" ? result : null,
    durationMs: typeof durationMs === "number" ? durationMs : null,
  };
}

function withTool(tools: ToolRun[], run: ToolRun): ToolRun[] {
  return tools.some(({ id }) => id === run.id)
    ? tools.map((before) => (before.id === run.id ? run : before))
    : [...tools, run];
}

/** An answer with one more chunk of its stream. */
export function withChunk(answer: Answer, chunk: unknown): Answer {
  if (!isObject(chunk)) return answer;
  if (chunk["type"] === "proxy.tool_execution")
    return { ...answer, tools: withTool(answer.tools, toolRunOf(chunk)) };
  const { error, usage } = chunk;
  if (isObject(error)) return { ...answer, state: "failed", error: textOf(error["message"]) };
  const delta = deltaOf(chunk);
  const text = textOf(delta["content"]) + textOf(delta["refusal"]);
  const reasoning = textOf(delta["reasoning_content"]) || textOf(delta["reasoning"]);
  const isFirst = answer.firstMs === null && text + reasoning !== "";
  return {
    ...answer,
    text: answer.text + text,
    reasoning: answer.reasoning + reasoning,
    firstMs: isFirst ? Date.now() - answer.startedAt : answer.firstMs,
    tokens: isObject(usage)
      ? { prompt: countOf(usage["prompt_tokens"]), completion: countOf(usage["completion_tokens"]) }
      : answer.tokens,
  };
}

/** An answer to which nothing more comes. */
export function ended(answer: Answer, state: Answer["state"], error: string | null = null): Answer {
  const isFailed = answer.state === "failed";
  return {
    ...answer,
    state: isFailed ? "failed" : state,
    error: answer.error ?? error,
    totalMs: Date.now() - answer.startedAt,
  };
}
