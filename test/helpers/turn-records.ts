/** Records of turns as the tests of reading them want them. */
import { readTurn } from "../../src/record/turn-rows.ts";
import type { RoundRecord, TurnRecord } from "../../src/record/turn-record.ts";

const JSON_TYPE = "application/json";
const EVENTS_TYPE = "text/event-stream";

/** A round that was asked, and of which upstream reported nothing. */
export const ROUND: RoundRecord = {
  round: 1,
  status: "completed",
  usage: null,
  timeToFirstTokenMs: 5,
  durationMs: 10,
  finishReason: null,
  error: null,
};

/** The record of a turn that ended well. */
export function recordOf(endpoint: string, parts: Partial<TurnRecord> = {}): TurnRecord {
  return {
    id: "0193f7c0-0000-7000-8000-000000000001",
    conversationId: "0193f7c0-0000-7000-8000-000000000002",
    apiKeyId: "1",
    apiKeyName: "k",
    endpoint,
    model: null,
    streamed: false,
    status: "completed",
    httpStatus: 200,
    error: null,
    errorCode: null,
    finishReason: null,
    loopStopReason: null,
    startedAt: Date.UTC(2026, 10, 21),
    durationMs: 10,
    timeToFirstTokenMs: 5,
    request: null,
    response: null,
    produced: [],
    rounds: [ROUND],
    toolExecutions: [],
    toolsOffered: [],
    toolsShadowed: [],
    upstream: "https://api.openai.com/v1",
    ...parts,
  };
}

/** An answer's text as it is kept. */
export const answerOf = (text: string, contentType = JSON_TYPE) => ({
  contentType,
  text,
  truncated: false,
});

/** A streamed answer as it is kept. */
export const eventsOf = (...payloads: unknown[]) =>
  answerOf(payloads.map((payload) => `data: ${JSON.stringify(payload)}\n\n`).join(""), EVENTS_TYPE);

/** A turn by its bodies. */
export const readBodies = (endpoint: string, request: unknown, answer: unknown, parts = {}) =>
  readTurn(
    recordOf(endpoint, {
      request: JSON.stringify(request),
      response:
        answer === null || (typeof answer === "object" && "contentType" in answer)
          ? (answer as TurnRecord["response"])
          : answerOf(JSON.stringify(answer)),
      ...parts,
    }),
  );
