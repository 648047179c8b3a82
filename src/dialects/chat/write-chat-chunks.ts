import type { CollectedPart } from "../../openai/collect-chat-chunks.ts";
import { setMember, type JsonObject } from "../../openai/json.ts";
import { separatorAfter, TEXT_FIELDS } from "../../openai/join-texts.ts";
import type { Usage } from "../../openai/usage.ts";
import { createCallForwarder } from "./forward-client-calls.ts";

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
  /** The model that the client asked for, where upstream does not name its own. */
  model: string;
  /** Whether a call of that name is a server tool's, which the client does not see. */
  isHidden(name: string): boolean;
  includeUsage: boolean;
  wantsJson: boolean;
  /** Whether no round can follow the one that comes. */
  isLastRound(): boolean;
  /** Hears of each text, and each part of a call, that the client is given. */
  onText(): void;
}

interface StreamEnd {
  finishReason: string;
  usage: Usage | null;
}

const isText = (value: unknown) => typeof value === "string" && value !== "";

/** Members of a chunk that are one per turn, and what a valid one is. */
const HEAD = new Map<string, (value: unknown) => boolean>([
  ["id", isText],
  ["created", (value) => Number.isInteger(value) && (value as number) > 0],
  ["model", isText],
  ["system_fingerprint", isText],
]);

/**
 * The head of a turn's chunks: the first valid value of each member before the first chunk is sent,
 * and ours for the rest.
 */
function createHead(model: string): { note(members: JsonObject): void; fixed(): JsonObject } {
  const noted: JsonObject = {};
  let head: JsonObject | null = null;
  return {
    note: (members) => {
      for (const [name, isValid] of HEAD)
        if (!Object.hasOwn(noted, name) && isValid(members[name]))
          setMember(noted, name, members[name]);
    },
    fixed: () =>
      (head ??= {
        id: `chatcmpl-${crypto.randomUUID().replaceAll("-", "")}`,
        created: Math.floor(Date.now() / 1000),
        model,
        ...noted,
        object: "chat.completion.chunk",
      }),
  };
}

function withoutHead(members: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(members).filter(([name]) => !HEAD.has(name) && name !== "object"),
  );
}

const isVisible = (value: unknown) =>
  value !== null &&
  value !== undefined &&
  value !== "" &&
  !(Array.isArray(value) && value.length === 0);

/**
 * Puts a separator before the first text of a later round. Only the last character of the text
 * before matters.
 */
function createSeparator(
  wantsJson: boolean,
): (field: string, text: string, round: number) => string {
  const texts = new Map<string, { text: string; round: number }>();
  return (field, text, round) => {
    const before = texts.get(field) ?? { text: "", round };
    const whole = (before.round === round ? "" : separatorAfter(before.text, wantsJson)) + text;
    texts.set(field, { text: whole.slice(-1), round });
    return whole;
  };
}

interface ChunkWriter {
  /** A chunk of some round: its text goes out, and the client's own calls; server calls stay. */
  forward(part: CollectedPart, round: number): void | Promise<void>;
  end(end: StreamEnd): Promise<void>;
}

/** Text of a round that may turn out not to be the client's. */
type HeldPart = Pick<CollectedPart, "members" | "choice"> & { content: unknown };

/**
 * Holds the text of a round where the answer must be one JSON document: only the last round's is
 * the client's, and which one is the last is certain when it has ended.
 */
function createHold(isLastRound: () => boolean): {
  /** The part without what is held of it. */
  take(part: CollectedPart, round: number): CollectedPart;
  /** What is held of the last round. */
  release(): HeldPart[];
} {
  let held: HeldPart[] = [];
  let ofRound = 1;
  return {
    take: (part, round) => {
      if (round !== ofRound) held = [];
      ofRound = round;
      if (isLastRound()) return part;
      const { content, ...delta } = part.delta;
      if (!isVisible(content)) return part;
      const { members, choice } = part;
      held.push({ members, choice, content });
      const { logprobs: _logprobs, ...rest } = choice ?? {};
      return { ...part, delta, choice: choice === null ? null : rest };
    },
    release: () => held.splice(0),
  };
}

/**
 * Writes the rounds of a turn as one stream of chunks: one id, one role, one finish reason, one
 * `[DONE]`.
 */
export function createChunkWriter(options: ChunkWriterOptions): ChunkWriter {
  const head = createHead(options.model);
  const separated = createSeparator(options.wantsJson);
  const unseenCalls = createCallForwarder(options.isHidden);
  const hold = options.wantsJson ? createHold(options.isLastRound) : null;
  let started = false;
  /**
   * Members of chunks and choices that were not sent: they go out with the next chunk, and with the
   * end.
   */
  let unsent: JsonObject = {};
  let lastChoice: { round: number; members: JsonObject } = { round: 1, members: {} };

  const send = (
    members: JsonObject,
    choice: { delta: JsonObject; finish_reason: string | null },
  ): void | Promise<void> => {
    const delta = started ? choice.delta : { role: "assistant", content: "", ...choice.delta };
    const more = withoutHead({ ...unsent, ...members });
    started = true;
    unsent = {};
    const usage = options.includeUsage ? { usage: null } : {};
    return options.write(
      dataEvent({ ...head.fixed(), ...more, choices: [{ index: 0, ...choice, delta }], ...usage }),
    );
  };

  const visibleDelta = ({ delta, calls }: CollectedPart, round: number): JsonObject => {
    const visible: JsonObject = {};
    for (const [field, value] of Object.entries(delta)) {
      if (!isVisible(value)) continue;
      const isOfTurn =
        typeof value === "string" && (TEXT_FIELDS as readonly string[]).includes(field);
      setMember(visible, field, isOfTurn ? separated(field, value, round) : value);
      if (isOfTurn) options.onText();
    }
    const fragments = unseenCalls(calls);
    if (fragments.length > 0) {
      visible["tool_calls"] = fragments;
      options.onText();
    }
    return visible;
  };

  return {
    forward: (whole, round) => {
      head.note(whole.members);
      const part = hold === null ? whole : hold.take(whole, round);
      const delta = visibleDelta(part, round);
      if (Object.keys(delta).length > 0 || (!started && part.choice !== null)) {
        return send(part.members, { ...part.choice, delta, finish_reason: null });
      }
      if (part.fragments.length > 0) return;
      unsent = { ...unsent, ...part.members };
      lastChoice = {
        round,
        members: { ...(lastChoice.round === round ? lastChoice.members : {}), ...part.choice },
      };
    },
    end: async ({ finishReason, usage }) => {
      for (const { members, choice, content } of hold?.release() ?? []) {
        options.onText();
        await send(members, { ...choice, delta: { content }, finish_reason: null });
      }
      await send({}, { ...lastChoice.members, delta: {}, finish_reason: finishReason });
      if (options.includeUsage && usage !== null)
        await options.write(dataEvent({ ...head.fixed(), choices: [], usage }));
      await options.write(DONE);
    },
  };
}
