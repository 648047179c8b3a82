import { isObject, objectsOf, type JsonObject } from "../openai/json.ts";
import { separatorAfter, TEXT_FIELDS } from "../openai/join-texts.ts";
import type { Usage } from "../openai/usage.ts";

const encoder = new TextEncoder();

/** A server-sent event with a JSON payload. */
export function dataEvent(payload: unknown): Uint8Array {
  return encoder.encode(`data: ${JSON.stringify(payload)}\n\n`);
}

/** A comment that keeps a quiet connection open; it stands between two events. */
export const KEEP_ALIVE = encoder.encode(": keep-alive\n\n");
const DONE = encoder.encode("data: [DONE]\n\n");

interface ChunkWriterOptions {
  write(bytes: Uint8Array): void | Promise<void>;
  includeUsage: boolean;
  wantsJson: boolean;
  /** Hears of the first text that the client is given. */
  onText(): void;
}

interface StreamEnd {
  finishReason: string;
  /** The client's own calls, whole. */
  calls: JsonObject[];
  usage: Usage | null;
}

/** Members of a chunk that are one per turn. */
const TURN_MEMBERS = ["id", "object", "created", "model", "system_fingerprint"] as const;

const isVisible = (value: unknown) =>
  value !== null && value !== undefined && value !== "" && !(Array.isArray(value) && value.length === 0);

/** Writes the rounds of a turn as one stream of chunks: one id, one role, one finish reason, one `[DONE]`. */
export function createChunkWriter(options: ChunkWriterOptions): {
  /** A chunk of some round: its text goes out, its server calls stay. */
  forward(chunk: JsonObject, round: number): void | Promise<void>;
  end(end: StreamEnd): Promise<void>;
} {
  const head: JsonObject = {};
  let started = false;
  const texts = new Map<string, { text: string; round: number }>();

  const send = (chunk: JsonObject, choice: JsonObject | null): void | Promise<void> => {
    const { usage: _usage, ...rest } = chunk;
    return options.write(
      dataEvent({ ...rest, ...head, choices: choice === null ? [] : [choice], ...(options.includeUsage ? { usage: null } : {}) }),
    );
  };

  /** Puts a separator before the first text of a later round. Only the last character of the text before matters. */
  const separated = (field: string, text: string, round: number): string => {
    const before = texts.get(field) ?? { text: "", round };
    const whole = (before.round === round ? "" : separatorAfter(before.text, options.wantsJson)) + text;
    texts.set(field, { text: whole.slice(-1), round });
    return whole;
  };

  const visibleDelta = (delta: JsonObject, round: number): JsonObject => {
    const visible: JsonObject = {};
    for (const [field, value] of Object.entries(delta)) {
      if (field === "tool_calls" || field === "role" || !isVisible(value)) continue;
      const isText = typeof value === "string" && (TEXT_FIELDS as readonly string[]).includes(field);
      visible[field] = isText ? separated(field, value, round) : value;
      if (isText) options.onText();
    }
    return visible;
  };

  return {
    forward: (chunk, round) => {
      const choice = objectsOf(chunk["choices"]).find((candidate) => (candidate["index"] ?? 0) === 0);
      if (choice === undefined) return;
      const visible = visibleDelta(isObject(choice["delta"]) ? choice["delta"] : {}, round);
      if (!started) {
        for (const member of TURN_MEMBERS) if (chunk[member] !== undefined) head[member] = chunk[member];
        started = true;
        return send(chunk, { ...choice, delta: { role: "assistant", content: "", ...visible }, finish_reason: null });
      }
      if (Object.keys(visible).length > 0) return send(chunk, { ...choice, delta: visible, finish_reason: null });
    },
    end: async ({ finishReason, calls, usage }) => {
      const first = started ? {} : { role: "assistant", content: "" };
      if (calls.length > 0) {
        const fragments = calls.map((call, index) => ({ index, ...call }));
        await send({}, { index: 0, delta: { ...first, tool_calls: fragments }, finish_reason: null });
      }
      await send({}, { index: 0, delta: calls.length > 0 ? {} : first, finish_reason: finishReason });
      if (options.includeUsage && usage !== null) await options.write(dataEvent({ ...head, choices: [], usage }));
      await options.write(DONE);
    },
  };
}
