import { v7 as uuidv7 } from "uuid";
import type { Platform } from "../platform.ts";
import { conversationIndex } from "./conversation-index.ts";
import type { TurnObserver } from "./turn-observer.ts";
import type { TurnRecord, TurnStatus } from "./turn-record.ts";

/** A turn that is going on. */
export interface OpenTurn {
  id: string;
  /** Filled in while the turn goes on. */
  record: TurnRecord;
  /** Notes the time of the first byte of an answer; later calls change nothing. */
  firstToken(): void;
  /** Keeps the record. The first cause wins: later calls change nothing. */
  end(end: {
    status: TurnStatus;
    httpStatus?: number;
    error?: string | null;
  }): void | Promise<void>;
}

interface TurnStart {
  id: string;
  endpoint: string;
  apiKey: { id: string; name: string; logContent: "full" | "metadata" };
  /** Base URL of the upstream. */
  upstream: string;
  /** Who hears of its end, before its record is kept. */
  observers?: TurnObserver[];
}

/** Opens the record of a turn. Nothing is kept before it ends. */
export function openTurn(
  platform: Pick<Platform, "keepRecord" | "memory">,
  start: TurnStart,
): OpenTurn {
  const record: TurnRecord = {
    id: start.id,
    conversationId: uuidv7(),
    apiKeyId: start.apiKey.id,
    apiKeyName: start.apiKey.name,
    endpoint: start.endpoint,
    model: null,
    streamed: false,
    status: "completed",
    httpStatus: 200,
    error: null,
    errorCode: null,
    finishReason: null,
    loopStopReason: null,
    startedAt: Date.now(),
    durationMs: 0,
    timeToFirstTokenMs: null,
    request: null,
    response: null,
    produced: [],
    rounds: [],
    toolExecutions: [],
    toolsOffered: [],
    toolsShadowed: [],
    upstream: start.upstream,
    ...(start.apiKey.logContent === "metadata" ? { logContent: "metadata" } : {}),
  };
  let ended = false;
  return {
    id: record.id,
    record,
    firstToken: () => {
      record.timeToFirstTokenMs ??= Date.now() - record.startedAt;
    },
    end: ({ status, httpStatus, error }) => {
      if (ended) return;
      ended = true;
      Object.assign(record, {
        status,
        error: error ?? null,
        durationMs: Date.now() - record.startedAt,
      });
      if (httpStatus !== undefined) record.httpStatus = httpStatus;
      conversationIndex.of(platform.memory).note(record);
      const told = (start.observers ?? []).map((observer) => observer.ended?.(record));
      const kept = platform.keepRecord(record);
      const awaited = [...told, kept].filter((end) => end instanceof Promise);
      if (awaited.length > 0) return Promise.all(awaited).then(() => {});
    },
  };
}
