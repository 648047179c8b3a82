import type { ChatRequest } from "../../openai/chat-request.ts";
import type { CollectedPart } from "../../openai/collect-chat-chunks.ts";
import type { JsonObject } from "../../openai/json.ts";
import { UpstreamRefusal, UpstreamStreamError } from "../../openai/upstream-error.ts";
import type {
  AnswerParts,
  ClientAnswer,
  HistoryItem,
  LoopEnd,
  MergedTurn,
  Round,
  RoundEvent,
} from "../dialect.ts";
import type { ChatRound } from "./chat-round.ts";
import { ForeignRounds } from "./foreign-rounds.ts";
import {
  brokenOffMessage,
  mergeRounds,
  wholeCompletion,
  type EndedRounds,
  type MergedChat,
} from "./merge-rounds.ts";
import { createChunkWriter, dataEvent } from "./write-chat-chunks.ts";

/** The answer of a turn to a client of chat completions. */
export class ChatAnswer implements ClientAnswer {
  readonly #request: ChatRequest;
  readonly #parts: AnswerParts;
  readonly #writer: ReturnType<typeof createChunkWriter>;
  /** Null where upstream speaks chat completions too. */
  readonly #foreign: ForeignRounds | null;
  #rounds: ChatRound[] = [];

  constructor(request: ChatRequest, parts: AnswerParts, own: string) {
    this.#request = request;
    this.#parts = parts;
    const { model, wantsJson } = request;
    this.#foreign = parts.upstream === own ? null : new ForeignRounds(model ?? "", wantsJson);
    this.#writer = createChunkWriter({
      write: (bytes) => parts.write(bytes),
      model: request.model ?? "",
      isHidden: (name) => parts.isServerTool(name),
      includeUsage: request.includeUsage,
      wantsJson: request.wantsJson,
      isLastRound: () => parts.isLastRound(),
      onText: () => parts.onText(),
    });
  }

  take(event: RoundEvent, round: number): void | Promise<void> {
    if (this.#foreign !== null) {
      const part = this.#foreign.add(event, round);
      return this.#request.stream ? this.#writer.forward(part, round) : undefined;
    }
    if (event.raw === undefined) return;
    return this.#writer.forward(event.raw as CollectedPart, round);
  }

  /** Clients of chat completions see nothing of server calls. */
  takeResult(): void {}

  /** @throws UpstreamStreamError, UpstreamRefusal where a foreign round is a failure */
  merge(end: LoopEnd): MergedChat {
    const failure = end.rounds.at(-1)?.failure;
    if (this.#foreign !== null && failure !== undefined) throw this.#failureOf(failure);
    const ended = this.#ended(end);
    this.#rounds = ended.rounds;
    return mergeRounds(ended, this.#request.wantsJson);
  }

  mergeBrokenOff(rounds: Round[], soFar: Round | null): HistoryItem {
    const ended = this.#own(rounds);
    const [unfinished] = soFar === null ? [] : this.#own([soFar], rounds.length);
    const { wantsJson } = this.#request;
    const isServerTool = (name: string) => this.#parts.isServerTool(name);
    return brokenOffMessage(ended, unfinished ?? null, { wantsJson, isServerTool });
  }

  end({ finishReason, usage }: MergedTurn): Promise<void> {
    return this.#writer.end({ finishReason, usage });
  }

  failed(error: JsonObject): Uint8Array {
    return dataEvent({ error });
  }

  whole(merged: MergedTurn): JsonObject {
    return wholeCompletion(this.#rounds, merged as MergedChat);
  }

  /** What a client has of a failure that came in an answer: before its answer has begun, a 502. */
  #failureOf(error: JsonObject): Error {
    if (this.#request.stream) return new UpstreamStreamError(error);
    const body = { error };
    const headers = { "content-type": "application/json" };
    const bytes = new TextEncoder().encode(JSON.stringify(body));
    return new UpstreamRefusal({ status: 502, headers, body: bytes }, body);
  }

  #ended({ rounds, clientCalls }: LoopEnd): EndedRounds {
    return { rounds: this.#own(rounds), clientCalls };
  }

  /** @param before how many rounds there were before these */
  #own(rounds: Round[], before = 0): ChatRound[] {
    const foreign = this.#foreign;
    if (foreign === null) return rounds as ChatRound[];
    return rounds.map((round, index) => foreign.round(before + index + 1, round));
  }
}
