import type { ToolMedia } from "../dialects/dialect.ts";
import { mediaOfModel } from "../openai/model-media.ts";
import type { KnownForms } from "./known-forms.ts";

/** Whether the model of a turn is shown the images and sounds of its tools. */
export interface MediaSupport {
  takes(kind: ToolMedia["kind"]): boolean;
  /** Whether upstream refused them in this turn. */
  readonly isRefused: boolean;
  /** Upstream has refused them: none for the rest of the turn. */
  refused(): void;
}

/**
 * What a model takes, by its name, by what the client itself sends it (it knows its model better
 * than a table), and by what it refused before.
 */
export function openMediaSupport(
  known: KnownForms,
  chat: { model: string | null; sent: ReadonlySet<ToolMedia["kind"]> },
): MediaSupport {
  const kinds = new Set([...mediaOfModel(chat.model ?? ""), ...chat.sent]);
  const wasRefused = known.has("withoutMedia");
  let isRefused = false;
  return {
    takes: (kind) => !wasRefused && !isRefused && kinds.has(kind),
    get isRefused() {
      return isRefused;
    },
    refused: () => {
      isRefused = true;
    },
  };
}
