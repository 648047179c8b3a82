/** Chat completions: https://platform.openai.com/docs/api-reference/chat */
import { readChatRequest, type ChatRequest } from "../../openai/chat-request.ts";
import { hashHistory } from "../../openai/history-hash.ts";
import { isObject, objectsOf, type JsonObject } from "../../openai/json.ts";
import { mediaKindOf } from "../../openai/tool-media.ts";
import type {
  AnswerParts,
  ClientAnswer,
  Dialect,
  DialectRequest,
  History,
  OpenAnswer,
  Round,
  RoundPlan,
  RoundReading,
  ToolMedia,
} from "../dialect.ts";
import { ChatAnswer } from "./client-answer.ts";
import { keptMedia, restoredMedia, showsMedia, wordsOnly } from "./hidden-media.ts";
import { isCompletion, readStreamedRound, readWholeRound } from "./read-round.ts";
import { roundBody } from "./round-body.ts";
import { hasReasoning, unreasoned } from "./hidden-reasoning.ts";
import { recordedMessage } from "./kept-items.ts";
import { createMediaShow } from "./show-media.ts";
import {
  hiddenOf,
  spliceHidden,
  withMessages,
  type SeenMessage,
  type SplicedMessage,
} from "./splice-hidden.ts";
import { KEEP_ALIVE } from "./write-chat-chunks.ts";

/** Why the loop leaves a request alone: each row is a promise of the behaviour page. */
const REASONS_TO_LEAVE_ALONE: [string, (request: ChatRequest) => boolean][] = [
  ["tool_choice is none", ({ toolChoice }) => toolChoice === "none"],
  // Several answers would each need a loop of their own.
  ["n is more than 1", ({ n }) => n > 1],
  ["it uses functions, which tools replaced", ({ usesFunctions }) => usesFunctions],
];

const reasonToLeaveAlone = (request: ChatRequest): string | null =>
  REASONS_TO_LEAVE_ALONE.find(([, applies]) => applies(request))?.[0] ?? null;

const isAnswer = (message: unknown): boolean =>
  isObject(message) && message["role"] === "assistant";

/** A request of chat completions. */
export class ChatDialectRequest implements DialectRequest {
  readonly dialect = chatDialect;
  readonly leaveAlone: string | null;
  readonly #request: ChatRequest;
  /** Its messages, where hidden ones were put back. */
  readonly #spliced: SplicedMessage[] | null;

  constructor(request: ChatRequest, spliced: SplicedMessage[] | null = null) {
    this.#request = request;
    this.#spliced = spliced;
    this.leaveAlone = reasonToLeaveAlone(request);
  }

  get text(): string {
    return this.#request.text;
  }
  get model(): string | null {
    return this.#request.model;
  }
  get stream(): boolean {
    return this.#request.stream;
  }
  get addsUsage(): boolean {
    return this.#request.stream && !this.#request.includeUsage;
  }
  get addsEncryptedReasoning(): boolean {
    return false;
  }
  get maxCalls(): number {
    return Number.POSITIVE_INFINITY;
  }
  get traits(): string {
    return this.#request.traits;
  }
  get history(): unknown[] {
    return this.#request.messages;
  }
  get endUser(): string {
    return this.#request.endUser;
  }
  get clientTools(): ReadonlySet<string> {
    return this.#request.clientTools;
  }

  /** Its messages as the model must see them: the client's, and hidden ones as they were kept. */
  get messages(): SeenMessage[] {
    const seen = (message: unknown) => ({ message, isHidden: false });
    return this.#spliced ?? this.history.map(seen);
  }

  hasAnswers(): boolean {
    // The hash knows no functions, which tools replaced.
    return !this.#request.usesFunctions && this.history.some(isAnswer);
  }

  hash(): Promise<History> {
    return hashHistory(this.endUser, this.history);
  }

  restored(hidden: ReadonlyMap<number, string>): DialectRequest {
    if (hidden.size === 0) return this;
    const spliced = spliceHidden(this.text, this.history, hidden);
    return new ChatDialectRequest(
      { ...this.#request, text: withMessages(this.text, spliced) },
      spliced,
    );
  }

  mediaSent(): ReadonlySet<ToolMedia["kind"]> {
    const contents = this.history.filter(isObject).map((message) => message["content"]);
    const kinds = contents.flatMap(objectsOf).map(mediaKindOf);
    return new Set(kinds.filter((kind) => kind !== null));
  }

  roundBody(plan: RoundPlan): string {
    return roundBody(this.#request, plan);
  }

  readRound(answer: OpenAnswer, reading: RoundReading): Promise<Round> {
    return this.stream ? readStreamedRound(answer, reading) : readWholeRound(answer, reading);
  }

  openAnswer(parts: AnswerParts): ClientAnswer {
    return new ChatAnswer(this.#request, parts, this.dialect.name);
  }
}

/** The dialect of chat completions. */
export const chatDialect: Dialect = {
  name: "chat",
  path: "/chat/completions",
  streamHeaders: {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
  },
  keepAlive: KEEP_ALIVE,
  readRequest: (text, body) => {
    const request = readChatRequest(text, body);
    return request === null ? null : new ChatDialectRequest(request);
  },
  isAnswer: isCompletion,
  spellTool: (definition: JsonObject) => JSON.stringify({ type: "function", function: definition }),
  openResults: createMediaShow,
  hiddenOf,
  showsMedia,
  keptItems: keptMedia,
  restoredItems: restoredMedia,
  withoutMedia: wordsOnly,
  hasReasoning,
  withoutReasoning: unreasoned,
  recorded: recordedMessage,
};
