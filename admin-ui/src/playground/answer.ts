/** An answer as it comes in, in whichever dialect. */
import { textOf, type Members } from "../conversations/read-record.ts";

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

/** What one piece of a stream adds to an answer. */
export interface Piece {
  text?: string;
  reasoning?: string;
  tokens?: Answer["tokens"];
  error?: string;
}

/** An answer with one more piece of its stream. */
export function withPiece(answer: Answer, piece: Piece): Answer {
  const { text = "", reasoning = "", tokens, error } = piece;
  const isFirst = answer.firstMs === null && text + reasoning !== "";
  return {
    ...answer,
    text: answer.text + text,
    reasoning: answer.reasoning + reasoning,
    firstMs: isFirst ? Date.now() - answer.startedAt : answer.firstMs,
    tokens: tokens ?? answer.tokens,
    ...(error === undefined ? {} : { state: "failed", error }),
  };
}

/** The event by which the proxy tells of a tool that it runs, in every dialect. */
export const TOOL_EVENT = "proxy.tool_execution";

/** An answer of which a tool runs, or has ended. */
export const withToolEvent = (answer: Answer, event: Members): Answer => ({
  ...answer,
  tools: withTool(answer.tools, toolRunOf(event)),
});

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
