import { parseJson } from "../openai/json.ts";
import { memberText } from "../openai/json-object-text.ts";
import type { TurnRecord } from "../record/turn-record.ts";

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
