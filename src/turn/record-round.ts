import type { OpenAnswer, Round } from "../dialects/dialect.ts";
import { messageOf } from "../openai/error-message.ts";
import { unitsOfOutput } from "../openai/billed-units.ts";
import { lacksHalf } from "../openai/usage.ts";
import type { RoundRecord } from "../record/turn-record.ts";
import { retryWait } from "./ask-upstream.ts";
import type { Turn } from "./turn.ts";

/** A first round that was asked for before the client gets its status. */
export interface AskedRound {
  answer: OpenAnswer;
  /** By the monotonic clock, in milliseconds. */
  askedAt: number;
  notes: string[];
}

/** How one attempt at a round is told of. */
interface Attempt {
  /** What was done so that upstream took the round, a sentence each. */
  notes: string[];
  /** Something of the round is there. */
  onEvent(): void;
  onProgress(soFar: () => Round): void;
}

/** A round that was read, and the headers of its answer. */
interface ReadRound {
  round: Round;
  headers: Record<string, string>;
}

/** Puts rounds on record, and tries later ones again. */
export interface RoundRecorder {
  /** Headers of the last answer. */
  readonly headers: Record<string, string>;
  /** What came of a round that was broken off; null where nothing did. */
  soFar(): Round | null;
  /** Asks for the first round; one that is refused is on record too. */
  first(ask: (notes: string[]) => Promise<OpenAnswer>): Promise<AskedRound>;
  /**
   * Reads one round and keeps its figures, also of one that is broken off.
   * @param first where it was asked for already
   */
  round(
    number: number,
    first: AskedRound | null,
    read: (attempt: Attempt) => Promise<ReadRound>,
  ): Promise<Round>;
}

/** What a recorder is opened with. */
interface Recording {
  /** Fires when the client has gone away. */
  signal: AbortSignal;
  /** JSON texts of the tools that were added. */
  added: string[];
}

/** Waits, or until the client goes away. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      resolve();
    };
    const timer = setTimeout(stop, ms);
    signal.addEventListener("abort", stop);
  });
}

type RoundFigures = Omit<RoundRecord, "status" | "error">;

/** When a round was asked for, when something of it came, and what was done for it. */
interface RoundTimes {
  number: number;
  /** By the monotonic clock, in milliseconds, both. */
  askedAt: number;
  firstEventAt: number | null;
  notes: string[];
}

/** The figures of a round that has ended now. */
function figuresOf({ number, askedAt, firstEventAt, notes }: RoundTimes, came: Round | null) {
  const billed = unitsOfOutput(came?.items);
  return {
    round: number,
    usage: came?.usage ?? null,
    ...(billed === null ? {} : { billed }),
    timeToFirstTokenMs: firstEventAt === null ? null : Math.round(firstEventAt - askedAt),
    durationMs: Math.round(performance.now() - askedAt),
    finishReason: came?.finishReason ?? null,
    ...(notes.length === 0 ? {} : { notes }),
  };
}

/** Opens what records the rounds of one turn. */
export function roundRecorder(turn: Turn, { signal, added }: Recording): RoundRecorder {
  let headers: Record<string, string> = {};
  let current: (() => Round) | null = null;
  let firstEventAt: number | null = null;
  const soFar = (): Round | null => (firstEventAt === null ? null : (current?.() ?? null));

  const note = (round: RoundRecord, came: Round | null): void => {
    // Tokens that upstream did not report are counted from what came.
    const isCounted = came?.usage !== null && came?.usage !== undefined && !lacksHalf(came.usage);
    const received = came === null || isCounted ? {} : { received: came.message };
    if (came !== null && came.model !== null) turn.modelSeen(came.model);
    turn.roundEnded({ ...round, ...received }, added);
  };

  /** A round that failed, or that the client left. */
  const noteFailed = (round: RoundFigures, error: unknown, came: Round | null): void => {
    const isGone = signal.aborted;
    const status = isGone ? "cancelled" : "failed";
    note({ ...round, status, error: isGone ? null : messageOf(error) }, came);
  };

  return {
    get headers() {
      return headers;
    },
    soFar,
    first: async (ask) => {
      const notes: string[] = [];
      const askedAt = performance.now();
      try {
        return { answer: await ask(notes), askedAt, notes };
      } catch (error) {
        noteFailed(figuresOf({ number: 1, askedAt, firstEventAt: null, notes }, null), error, null);
        throw error;
      }
    },
    round: async (number, first, read) => {
      const notes = first?.notes ?? [];
      const askedAt = first?.askedAt ?? performance.now();
      const figures = (came: Round | null) =>
        figuresOf({ number, askedAt, firstEventAt, notes }, came);
      current = null;
      firstEventAt = null;
      const attempt: Attempt = {
        notes,
        onEvent: () => {
          firstEventAt ??= performance.now();
        },
        onProgress: (progress) => {
          current = progress;
        },
      };
      // Who has gone away already asks for nothing.
      signal.throwIfAborted();
      for (let tries = 1; ; tries++) {
        try {
          const done = await read(attempt);
          headers = done.headers;
          note({ ...figures(done.round), status: "completed", error: null }, done.round);
          current = null;
          return done.round;
        } catch (error) {
          // What the client has of a round cannot be taken back; the first round is the client's to retry.
          const mayRetry = !signal.aborted && number > 1 && firstEventAt === null;
          const wait = mayRetry ? retryWait(error, tries) : null;
          if (wait === null) {
            noteFailed(figures(soFar()), error, soFar());
            throw error;
          }
          notes.push(`Tried again after ${Math.round(wait)} ms: ${messageOf(error)}`);
          await pause(wait, signal);
        }
      }
    },
  };
}
