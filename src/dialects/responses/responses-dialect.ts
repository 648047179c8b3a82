/** The Responses API: https://platform.openai.com/docs/api-reference/responses */
import { hashHistory, type History } from "../../openai/history-hash.ts";
import { isObject, objectsOf, parseJson, textOrNull, type JsonObject } from "../../openai/json.ts";
import { setMembers } from "../../openai/json-object-text.ts";
import { messagesOfItems } from "../../openai/response-items.ts";
import type {
  AnswerParts,
  Dialect,
  DialectRequest,
  OpenAnswer,
  Round,
  RoundPlan,
  RoundReading,
  ToolMedia,
} from "../dialect.ts";
import { ResponsesAnswer } from "./client-answer.ts";
import { clientToolNames, mayBringTools, toolsInInput } from "./input-tools.ts";
import {
  hasReasoning,
  keptItems,
  modelItems,
  openResults,
  restoredItems,
  showsMedia,
  unreasoned,
  wordsOnly,
} from "./hidden-items.ts";
import { isResponse, readRound } from "./read-round.ts";
import { readResponsesRequest, type ResponsesRequest } from "./responses-request.ts";
import { addsEncryptedReasoning, roundBody } from "./round-body.ts";
import { KEEP_ALIVE } from "./write-events.ts";

const isCompaction = (item: unknown): boolean =>
  isObject(item) && item["type"] === "compaction_trigger";

/** Why no tools are offered: each row is a promise of the behaviour page. */
const REASONS_TO_LEAVE_ALONE: [string, (request: ResponsesRequest) => boolean][] = [
  ["tool_choice is none", ({ toolChoice }) => toolChoice === "none"],
  ["it compacts its history", ({ input }) => input.some(isCompaction)],
  [
    "upstream makes it in the background",
    ({ isBackground, backgroundId }) => isBackground && backgroundId === null,
  ],
];

const reasonToLeaveAlone = (request: ResponsesRequest): string | null =>
  REASONS_TO_LEAVE_ALONE.find(([, applies]) => applies(request))?.[0] ?? null;

/** What a part of a message brings, by its type. */
const KINDS = new Map<string, ToolMedia["kind"]>([
  ["input_image", "image"],
  ["input_audio", "audio"],
]);

/** A request of the Responses API. */
export class ResponsesDialectRequest implements DialectRequest {
  readonly dialect = responsesDialect;
  readonly leaveAlone: string | null;
  readonly #request: ResponsesRequest;

  constructor(request: ResponsesRequest) {
    this.#request = request;
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
  /** Its answers bring their usage unasked. */
  get addsUsage(): boolean {
    return false;
  }
  get addsEncryptedReasoning(): boolean {
    return addsEncryptedReasoning(this.#request);
  }
  get maxCalls(): number {
    return this.#request.maxToolCalls;
  }
  get traits(): string {
    return this.#request.traits;
  }
  get history(): unknown[] {
    return this.#request.input;
  }
  get endUser(): string {
    return this.#request.endUser;
  }
  get clientTools(): ReadonlySet<string> {
    return this.#request.clientTools;
  }
  get isBackground(): boolean {
    return this.#request.isBackground;
  }
  get backgroundId(): string | null {
    return this.#request.backgroundId;
  }
  get isStored(): boolean {
    return this.#request.isStored;
  }
  get hasConversation(): boolean {
    return this.#request.hasConversation;
  }
  get instructions(): string | null {
    return textOrNull(this.#request.repeated["instructions"]);
  }
  get previousResponseId(): string | null {
    return this.#request.previousResponseId;
  }

  /**
   * The same request as the proxy itself makes its answer in the background: upstream is asked
   * while it waits.
   * @param backgroundId of the answer
   */
  inBackground(backgroundId: string): ResponsesDialectRequest {
    const text = setMembers(this.text, { background: undefined });
    return new ResponsesDialectRequest({ ...this.#request, text, backgroundId });
  }

  /** The same request with another text, which says the same beside its history. */
  withText(text: string): DialectRequest {
    return new ResponsesDialectRequest({ ...this.#request, text });
  }

  /**
   * The same request with the tools that its whole history brings.
   * @param text of the request with its history
   */
  withToolsOf(text: string): ResponsesDialectRequest {
    if (text === this.text || !mayBringTools(text)) return this;
    const body = parseJson(text);
    const inputTools = toolsInInput(isObject(body) ? body["input"] : undefined);
    const clientTools = clientToolNames(this.#request.repeated["tools"], inputTools);
    return new ResponsesDialectRequest({ ...this.#request, inputTools, clientTools });
  }

  /** Its answers are known by their ids, not by what they say: see `turn/response-history.ts`. */
  hasAnswers(): boolean {
    return false;
  }

  hash(): Promise<History> {
    return hashHistory(this.endUser, []);
  }

  restored(): DialectRequest {
    return this;
  }

  mediaSent(): ReadonlySet<ToolMedia["kind"]> {
    const parts = this.history.filter(isObject).flatMap((item) => objectsOf(item["content"]));
    const kinds = parts.map(({ type }) => KINDS.get(String(type)));
    return new Set(kinds.filter((kind) => kind !== undefined));
  }

  roundBody(plan: RoundPlan): string {
    return roundBody(this.#request, plan);
  }

  readRound(answer: OpenAnswer, reading: RoundReading): Promise<Round> {
    return readRound(answer, reading, this.stream);
  }

  openAnswer(parts: AnswerParts): ResponsesAnswer {
    return new ResponsesAnswer(this.#request, parts, this.dialect.name);
  }
}

/** The dialect of Responses. */
export const responsesDialect: Dialect = {
  name: "responses",
  path: "/responses",
  streamHeaders: {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
  },
  keepAlive: KEEP_ALIVE,
  readRequest: (text, body = parseJson(text)) => {
    const request = readResponsesRequest(text, body);
    return request === null ? null : new ResponsesDialectRequest(request);
  },
  isAnswer: isResponse,
  // Without `strict: false` an optional parameter would have to be a required one.
  spellTool: (definition: JsonObject) =>
    JSON.stringify({ type: "function", ...definition, strict: false }),
  openResults,
  hiddenOf: (end) => (end.hidden.length === 0 ? null : modelItems(end)),
  showsMedia,
  keptItems,
  restoredItems,
  withoutMedia: wordsOnly,
  hasReasoning,
  withoutReasoning: unreasoned,
  recorded: (item) => messagesOfItems([item]),
};
