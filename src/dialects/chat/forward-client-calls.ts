import type { JsonObject } from "../../openai/json.ts";
import { spellCall, type TrackedCall } from "../../openai/track-calls.ts";

/** How much of a call the client has. */
interface Shown {
  index: number;
  pieceCount: number;
  otherCount: number;
}

/**
 * Says what a client has not seen yet of its own calls. What it is shown is always the difference
 * to what it was shown before, so that the stream and the collected message cannot disagree.
 * @param isHidden whether a call of that name is not the client's
 */
export function createCallForwarder(
  isHidden: (name: string) => boolean,
): (calls: readonly TrackedCall[]) => JsonObject[] {
  const shown = new Map<TrackedCall, Shown>();

  const unseenPart = (call: TrackedCall): JsonObject | null => {
    const before = shown.get(call);
    const { index, pieceCount, otherCount } = before ?? {
      index: shown.size,
      pieceCount: 0,
      otherCount: 0,
    };
    const text = call.pieces.slice(pieceCount).join("");
    const others = call.others.slice(otherCount);
    if (before !== undefined && text === "" && others.length === 0) return null;
    shown.set(call, { index, pieceCount: call.pieces.length, otherCount: call.others.length });
    const { id, type, name } = call;
    return before === undefined
      ? spellCall({ index, id, type }, { type, others }, { name, text })
      : spellCall({ index }, { type, others }, { text });
  };

  return (calls) => {
    const fragments: JsonObject[] = [];
    for (const call of calls) {
      // Calls stand in the model's order: while nobody knows whose this one is, the index of the
      // next is unknown too.
      if (!call.settled) break;
      const fragment = isHidden(call.name) ? null : unseenPart(call);
      if (fragment !== null) fragments.push(fragment);
    }
    return fragments;
  };
}
