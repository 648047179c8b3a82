import { isObject, parseJson } from "../openai/json.ts";
import { memberText } from "../openai/json-object-text.ts";
import { readUsage, type Usage } from "../openai/usage.ts";
import type { RoundRecord, TurnRecord } from "../record/turn-record.ts";

/**
 * How many lines from the end of a stream the usage may be: after it come `[DONE]` and an empty
 * line or two.
 */
const LAST_LINES = 8;

/** What upstream reported in a raw answer. */
function usageIn({ response }: TurnRecord): Usage | null {
  if (response === null || response.truncated) return null;
  if (!response.contentType.toLowerCase().startsWith("text/event-stream")) {
    const body = parseJson(response.text);
    return isObject(body) ? readUsage(body["usage"]) : null;
  }
  const lines = response.text
    .slice(-64_000)
    .trimEnd()
    .split(/\r\n|\r|\n/)
    .slice(-LAST_LINES);
  const chunks = lines
    .filter((line) => line.startsWith("data:"))
    .map((line) => parseJson(line.slice("data:".length)));
  return chunks.reduce<Usage | null>(
    (found, chunk) => (isObject(chunk) ? readUsage(chunk["usage"]) : null) ?? found,
    null,
  );
}

/**
 * A turn's upstream calls. A relayed turn that has not got its one round yet has it made of its raw
 * answer.
 */
export function reportedRounds(record: TurnRecord): RoundRecord[] {
  if (record.response === null || record.rounds.length > 0) return record.rounds;
  const { status, timeToFirstTokenMs, durationMs, finishReason, error } = record;
  return [
    {
      round: 1,
      status: status === "refused" ? "failed" : status,
      usage: usageIn(record),
      timeToFirstTokenMs,
      durationMs,
      finishReason,
      error,
    },
  ];
}

/** The model that a turn's request names, else the one that was seen as it passed, or null. */
export function requestedModel(record: TurnRecord): string | null {
  return namedModel(record) ?? record.seenModel ?? null;
}

function namedModel({ model, request }: TurnRecord): string | null {
  if (model !== null || request === null) return model;
  try {
    const named = parseJson(memberText(request, "model") ?? "null");
    return typeof named === "string" ? named : null;
  } catch (error) {
    // A body that is no JSON, of which nobody can tell.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
