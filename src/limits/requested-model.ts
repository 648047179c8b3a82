import { parseJson } from "../openai/json.ts";
import { memberText } from "../openai/json-object-text.ts";
import type { TurnRecord } from "../record/turn-record.ts";

/** The model that a turn's request names; null where it names none. */
export function requestedModel({ model, request }: TurnRecord): string | null {
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
