/**
 * A wire format that nobody speaks, to see whether a third one finds its room behind `Dialect`.
 *
 * A request: `{model, stream, say: [{who: "me" | "it" | "tool", text, …}], tools: [{name,
 * schema}]}`. A whole answer: `{it: {who, text, calls}, end, used: [in, out]}`. A stream has one
 * line for each thing: `["t", text]`, `["c", id, name]`, `["a", index, piece]`, `["e", end, used]`.
 */
import type {
  AnswerParts,
  CallProgress,
  ClientAnswer,
  Dialect,
  DialectRequest,
  HistoryItem,
  LoopEnd,
  MergedTurn,
  OpenAnswer,
  Round,
  RoundEvent,
  RoundPlan,
  RoundReading,
  ToolCall,
  Translation,
} from "../../src/dialects/dialect.ts";
import { hashHistory } from "../../src/openai/history-hash.ts";
import { createEventReader } from "../../src/openai/read-events.ts";
import { addUsage, type Usage } from "../../src/openai/usage.ts";

type Json = Record<string, unknown>;

const encoder = new TextEncoder();
const line = (...parts: unknown[]) => encoder.encode(`data: ${JSON.stringify(parts)}\n\n`);

interface TinyCall {
  id: string;
  name: string;
  args: string;
}

interface Said extends Json {
  who: string;
  text: string;
  calls?: TinyCall[];
  id?: string;
}

const spelledCall = ({ id, name, arguments: args }: ToolCall): TinyCall => ({ id, name, args });
const callOf = ({ id, name, args }: TinyCall): ToolCall => ({
  id,
  name,
  arguments: args,
  isCut: false,
});

function said(text: string, calls: TinyCall[]): Said {
  return { who: "it", text, ...(calls.length === 0 ? {} : { calls }) };
}

function usageOf([prompt = 0, completion = 0]: number[]): Usage {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
  };
}

const ENDS: Record<string, string> = { done: "stop", calls: "tool_calls" };
const endOf = (reason: string) => (reason === "tool_calls" ? "calls" : "done");

function roundOf(message: Said, end: string, used: number[]): Round {
  const calls = (message.calls ?? []).map(callOf);
  const finishReason = ENDS[end] ?? end;
  return { calls, finishReason, usage: usageOf(used), model: null, items: [message], message };
}

/** Reads a stream line by line, and tells of each. */
async function readLines(
  events: ReadableStream<Uint8Array>,
  { onEvent, onProgress }: RoundReading,
): Promise<Round> {
  const message: Said = { who: "it", text: "" };
  const calls: (CallProgress & { pieces: string[] })[] = [];
  let ended: [string, number[]] = ["done", []];
  const spelled = () => calls.map(({ id, name, pieces }) => ({ id, name, args: pieces.join("") }));
  const round = () => roundOf(said(message.text, spelled()), ...ended);
  onProgress(round);
  const lines: unknown[][] = [];
  const reader = createEventReader((data) => lines.push(JSON.parse(data) as unknown[]));
  for await (const bytes of events) {
    reader.push(bytes);
    for (const [kind, first, second] of lines.splice(0)) {
      if (kind === "t") {
        message.text += String(first);
        await onEvent?.({ type: "text", field: "content", text: String(first) });
        continue;
      }
      if (kind === "c")
        calls.push({ id: String(first), name: String(second), pieces: [], settled: true });
      if (kind === "a") calls[Number(first)]?.pieces.push(String(second));
      if (kind === "e") ended = [String(first), second as number[]];
      await onEvent?.(kind === "e" ? { type: "other" } : { type: "calls", calls });
    }
  }
  return round();
}

/** The answer of a turn to a client of this dialect, whatever upstream speaks. */
class TinyAnswer implements ClientAnswer {
  readonly #parts: AnswerParts;
  readonly #texts: string[] = [];
  #written = 0;
  #calls: readonly CallProgress[] = [];

  constructor(parts: AnswerParts) {
    this.#parts = parts;
  }

  take(event: RoundEvent, round: number): void | Promise<void> {
    if (event.type === "calls") this.#calls = event.calls;
    if (event.type !== "text" || event.field !== "content") return;
    const known = this.#texts[round - 1];
    const isNext = known === undefined && this.#texts.some((text) => text !== "");
    this.#texts[round - 1] = (known ?? "") + event.text;
    this.#parts.onText();
    return this.#parts.write(line("t", isNext ? `\n\n${event.text}` : event.text));
  }

  takeResult(): void {}

  failed(error: Json): Uint8Array {
    return line("x", error);
  }

  merge({ rounds, clientCalls }: LoopEnd): MergedTurn {
    const texts = rounds.map((round, index) => this.#texts[index] ?? String(round.message["text"]));
    const text = texts.filter((one) => one !== "" && one !== "undefined").join("\n\n");
    return {
      message: said(text, clientCalls.map(spelledCall)),
      finishReason: clientCalls.length > 0 ? "tool_calls" : "stop",
      usage: rounds.reduce<Usage | null>((sum, { usage }) => addUsage(sum, usage), null),
    };
  }

  mergeBrokenOff(): HistoryItem {
    const own = this.#calls.filter(({ name }) => !this.#parts.isServerTool(name));
    const calls = own.map(({ id, name, pieces }) => ({ id, name, args: pieces.join("") }));
    return said(this.#texts.join("\n\n"), calls);
  }

  async end({ message, finishReason, usage }: MergedTurn): Promise<void> {
    for (const { id, name, args } of (message as Said).calls ?? []) {
      await this.#parts.write(line("c", id, name));
      await this.#parts.write(line("a", this.#written++, args));
    }
    const used = [usage?.prompt_tokens, usage?.completion_tokens];
    await this.#parts.write(line("e", endOf(finishReason), used));
  }

  whole({ message, finishReason, usage }: MergedTurn): Json {
    const used = [usage?.prompt_tokens, usage?.completion_tokens];
    return { it: message, end: endOf(finishReason), used };
  }
}

class TinyRequest implements DialectRequest {
  readonly dialect = tinyDialect;
  readonly endUser = "";
  readonly leaveAlone = null;
  readonly addsUsage = false;
  readonly addsEncryptedReasoning = false;
  readonly maxCalls = Number.POSITIVE_INFINITY;
  readonly traits = "";
  readonly text: string;
  readonly #body: Json;

  constructor(text: string, body: Json) {
    this.text = text;
    this.#body = body;
  }

  get model(): string {
    return String(this.#body["model"]);
  }
  get stream(): boolean {
    return this.#body["stream"] === true;
  }
  get history(): unknown[] {
    return this.#body["say"] as unknown[];
  }
  get clientTools(): ReadonlySet<string> {
    const tools = (this.#body["tools"] ?? []) as { name: string }[];
    return new Set(tools.map(({ name }) => name));
  }

  hasAnswers(): boolean {
    return false;
  }
  hash() {
    return hashHistory("", []);
  }
  restored(): DialectRequest {
    return this;
  }
  mediaSent(): ReadonlySet<never> {
    return new Set();
  }

  roundBody({ state, offered }: RoundPlan): string {
    const own = (this.#body["tools"] ?? []) as unknown[];
    const tools = [...own, ...[...offered.values()].map((text) => JSON.parse(text) as unknown)];
    const say = [...this.history, ...state.appended];
    return JSON.stringify({ ...this.#body, say, tools: state.toolsEnded ? own : tools });
  }

  async readRound({ content }: OpenAnswer, reading: RoundReading): Promise<Round> {
    if ("events" in content) return readLines(content.events, reading);
    const { it, end, used } = content.json as { it: Said; end: string; used: number[] };
    if (it.text !== "") await reading.onEvent?.({ type: "text", field: "content", text: it.text });
    return roundOf(it, end, used);
  }

  openAnswer(parts: AnswerParts): ClientAnswer {
    return new TinyAnswer(parts);
  }
}

/** The dialect. */
export const tinyDialect: Dialect = {
  name: "tiny",
  path: "/tiny",
  streamHeaders: { "content-type": "text/event-stream" },
  keepAlive: encoder.encode(": still here\n\n"),
  readRequest: (text) => new TinyRequest(text, JSON.parse(text) as Json),
  isAnswer: (json) => "it" in json,
  spellTool: ({ name, parameters }) => JSON.stringify({ name, schema: parameters }),
  openResults: () => (results) =>
    results.map(({ call, text }) => ({ who: "tool", id: call.id, text })),
  hiddenOf: ({ hidden }) => (hidden.length === 0 ? null : hidden),
  showsMedia: () => false,
  keptItems: (items) => items,
  restoredItems: (hidden) => new Map(hidden),
  withoutMedia: (hidden) => hidden,
  hasReasoning: () => false,
  withoutReasoning: (hidden) => hidden,
  recorded: (item) => [item],
};

interface ChatMessage extends Json {
  role: string;
  content: string | null;
  tool_calls?: { id: string; function: { name: string; arguments: string } }[];
  tool_call_id?: string;
}

const ROLES: Record<string, string> = { me: "user", it: "assistant", tool: "tool" };
const WHO = Object.fromEntries(Object.entries(ROLES).map(([who, role]) => [role, who]));

function toChat({ who, text, calls = [], id }: Said): ChatMessage {
  const spelled = calls.map((call) => ({
    id: call.id,
    type: "function",
    function: { name: call.name, arguments: call.args },
  }));
  return {
    role: ROLES[who] ?? who,
    content: text === "" ? null : text,
    ...(spelled.length === 0 ? {} : { tool_calls: spelled }),
    ...(id === undefined ? {} : { tool_call_id: id }),
  };
}

function toTiny({ role, content, tool_calls: calls = [], tool_call_id: id }: ChatMessage): Said {
  const spelled = calls.map((call) => ({
    id: call.id,
    name: call.function.name,
    args: call.function.arguments,
  }));
  return {
    who: WHO[role] ?? role,
    text: content ?? "",
    ...(spelled.length === 0 ? {} : { calls: spelled }),
    ...(id === undefined ? {} : { id }),
  };
}

/** Its rows of the table of translations. */
export const TINY_TRANSLATIONS: Translation[] = [
  {
    from: "tiny",
    to: "chat",
    refuses: () => null,
    dropped: () => [],
    request: ({ text }) => {
      const { say, tools, ...others } = JSON.parse(text) as Json;
      const spelled = ((tools ?? []) as Json[]).map(({ name, schema }) => ({
        type: "function",
        function: { name, parameters: schema },
      }));
      const messages = (say as Said[]).map(toChat);
      return JSON.stringify({
        ...others,
        messages,
        ...(tools === undefined ? {} : { tools: spelled }),
      });
    },
    items: (items) => items.map((item) => toTiny(item as ChatMessage)),
  },
  {
    from: "chat",
    to: "tiny",
    refuses: () => null,
    dropped: () => [],
    request: ({ text }) => {
      const { messages, tools, ...others } = JSON.parse(text) as Json;
      const spelled = ((tools ?? []) as { function: Json }[]).map(({ function: definition }) => ({
        name: definition["name"],
        schema: definition["parameters"],
      }));
      const say = (messages as ChatMessage[]).map(toTiny);
      return JSON.stringify({ ...others, say, ...(tools === undefined ? {} : { tools: spelled }) });
    },
    items: (items) => items.map((item) => toChat(item as Said)),
  },
];
