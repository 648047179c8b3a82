/**
 * The record's rows as people think of them: turns, in them rounds, in them calls and what became
 * of these.
 */
import type { History, Message, Round, ToolExecution, Turn } from "../api-shapes.ts";

export type Members = Record<string, unknown>;

export const isObject = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A text, or an empty one in the place of anything else. */
export const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** A call as the model wrote it. */
export interface ToolCall {
  id: string;
  name: string;
  /** JSON text, as a rule. */
  arguments: string;
}

/** The calls of a message; what is no call is left out. */
export function readToolCalls(toolCalls: unknown): ToolCall[] {
  if (!Array.isArray(toolCalls)) return [];
  return toolCalls.filter(isObject).map((call) => {
    const called = isObject(call["function"])
      ? call["function"]
      : isObject(call["custom"])
        ? call["custom"]
        : {};
    return {
      id: textOf(call["id"]),
      name: textOf(called["name"]),
      arguments: textOf(called["arguments"] ?? called["input"]),
    };
  });
}

/** What a model thought before it answered, by whatever name its provider has for that. */
export function reasoningOf({ extra }: Message): string {
  if (!isObject(extra)) return "";
  return textOf(extra["reasoning_content"]) || textOf(extra["reasoning"]);
}

/** A round: what the model answered, and what its calls became. */
export interface RoundStep {
  number: number;
  /** Figures; null where the round is not on record. */
  round: Round | null;
  messages: Message[];
  executions: ToolExecution[];
}

/** A turn with all that belongs to it. */
export interface TurnSteps {
  turn: Turn;
  /** What the client sent. */
  sent: Message[];
  rounds: RoundStep[];
}

/** What begins with these texts, without them. */
function withoutStart(text: string, starts: string[]): string {
  let rest = text;
  for (const start of starts)
    if (start !== "" && rest.startsWith(start)) rest = rest.slice(start.length).replace(/^\s+/, "");
  return rest;
}

/**
 * The client's answer has the texts of all rounds in it: what hidden rounds show already is not
 * shown again.
 */
function withoutRepeats(messages: Message[]): Message[] {
  const hidden = messages.filter((message) => message.hidden && message.role === "assistant");
  const texts = hidden.map(({ content }) => textOf(content));
  const thoughts = hidden.map(reasoningOf);
  return messages.map((message) => {
    if (message.hidden || message.round === null || hidden.length === 0) return message;
    const content =
      typeof message.content === "string" ? withoutStart(message.content, texts) : message.content;
    const reasoning = withoutStart(reasoningOf(message), thoughts);
    return {
      ...message,
      content,
      extra: {
        ...(isObject(message.extra) ? message.extra : {}),
        reasoning_content: reasoning,
        reasoning,
      },
    };
  });
}

function stepsOf(turn: Turn, history: History): TurnSteps {
  const isOfTurn = ({ turnId }: { turnId: string }) => turnId === turn.id;
  const messages = withoutRepeats(history.messages.filter(isOfTurn));
  const rounds = history.rounds.filter(isOfTurn);
  const executions = history.toolExecutions.filter(isOfTurn);
  const numbers = new Set(
    [...messages, ...rounds, ...executions].flatMap(({ round }) => (round === null ? [] : [round])),
  );
  return {
    turn,
    sent: messages.filter(({ round }) => round === null),
    rounds: [...numbers]
      .toSorted((a, b) => a - b)
      .map((number) => ({
        number,
        round: rounds.find(({ round }) => round === number) ?? null,
        messages: messages.filter(({ round }) => round === number),
        executions: executions.filter(({ round }) => round === number),
      })),
  };
}

/** The turns of a history, oldest first. */
export const turnsOf = (history: History): TurnSteps[] =>
  history.turns.map((turn) => stepsOf(turn, history));

/** Something that took time: a round, or the run of a tool. */
export interface TimedStep {
  /** Of the element that shows it. */
  id: string;
  name: string;
  kind: "round" | "tool";
  hasFailed: boolean;
  /** From the turn's start, in milliseconds. */
  startMs: number;
  durationMs: number;
  /** Of a round: until its first token. */
  waitMs: number;
  /** Its place in the order of things: what runs at the same time has one place. */
  place: number;
}

/** Where a round or a tool's run stands in the page. */
export const stepId = (turnId: string, name: string): string =>
  `${turnId}-${name.replaceAll(/[^\w-]/g, "_")}`;

/**
 * What took how long in a turn, in order. A round begins when the tools of the one before it have
 * ended.
 */
export function timedStepsOf({ turn, rounds }: TurnSteps): TimedStep[] {
  const startedAt = Date.parse(turn.startedAt);
  let now = 0;
  return rounds.flatMap(({ number, round, executions }, index) => {
    const model: TimedStep = {
      id: stepId(turn.id, `round-${number}`),
      name: `Round ${number}`,
      kind: "round",
      hasFailed: round?.status === "failed",
      startMs: now,
      durationMs: round?.durationMs ?? 0,
      waitMs: round?.timeToFirstTokenMs ?? 0,
      place: 2 * index,
    };
    now += model.durationMs;
    const tools = executions.map((execution): TimedStep => {
      const startMs = Math.max(0, Date.parse(execution.startedAt) - startedAt);
      return {
        id: stepId(turn.id, execution.toolCallId),
        name: execution.toolName,
        kind: "tool",
        hasFailed: execution.error !== null,
        startMs,
        durationMs: execution.durationMs,
        waitMs: 0,
        place: 2 * index + 1,
      };
    });
    now = Math.max(now, ...tools.map((tool) => tool.startMs + tool.durationMs));
    return [model, ...tools];
  });
}
