import { memorySlot } from "../memory.ts";
import { isObject, objectsOf } from "../openai/json.ts";
import { mediaOfModel } from "../openai/model-media.ts";
import { mediaKindOf, type ToolMedia } from "../openai/tool-media.ts";
import type { Platform } from "../platform.ts";

/** Whether the model of a turn is shown the images and sounds of its tools. */
export interface MediaSupport {
  takes(kind: ToolMedia["kind"]): boolean;
  /** Whether upstream refused them in this turn. */
  readonly isRefused: boolean;
  /**
   * Upstream has refused them: none for the rest of the turn, and where that is because of the
   * model, for the next turns.
   */
  refused(isOfModel: boolean): void;
}

/** A model that took none is tried again after this time: its server may be another one by then. */
const REMEMBERED_MS = 3_600_000;
const MAX_REMEMBERED = 1000;
/** By upstream and model: until when, in milliseconds since 1970. */
const modelsWithoutMedia = memorySlot(() => new Map<string, number>());

/** What kinds a client sends of its own: it knows its model better than a table. */
function kindsSent(messages: unknown[]): Set<ToolMedia["kind"]> {
  const parts = messages.flatMap((message) =>
    isObject(message) ? objectsOf(message["content"]) : [],
  );
  return new Set(parts.map(mediaKindOf).filter((kind) => kind !== null));
}

/**
 * What a model takes, by its name, by what the client itself sends it, and by what it refused
 * before.
 * @param chat `upstream`: base URL; `messages`: the client's own
 */
export function openMediaSupport(
  memory: Platform["memory"],
  chat: { model: string | null; upstream: string; messages: unknown[] },
): MediaSupport {
  const refusals = modelsWithoutMedia.of(memory);
  const name = `${chat.upstream} ${chat.model ?? ""}`;
  const known = new Set([...mediaOfModel(chat.model ?? ""), ...kindsSent(chat.messages)]);
  const wasRefused = (refusals.get(name) ?? 0) > Date.now();
  let isRefused = false;
  return {
    takes: (kind) => !wasRefused && !isRefused && known.has(kind),
    get isRefused() {
      return isRefused;
    },
    refused: (isOfModel) => {
      isRefused = true;
      if (!isOfModel) return;
      refusals.delete(name);
      refusals.set(name, Date.now() + REMEMBERED_MS);
      for (const oldest of refusals.keys()) {
        if (refusals.size <= MAX_REMEMBERED) break;
        refusals.delete(oldest);
      }
    },
  };
}
