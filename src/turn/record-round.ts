import type { Round } from "../dialects/dialect.ts";
import { messageOf } from "../openai/error-message.ts";
import { lacksHalf } from "../openai/usage.ts";
import type { RoundRecord } from "../record/turn-record.ts";
import { retryWait } from "./ask-upstream.ts";
import type { Turn } from "./turn.ts";

/** A round that was asked for already. */
interface AskedRound {
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

/** Waits, unless the client goes away meanwhile. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal.addEventListener("abort", stop, { once: true });
  });
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
    turn.roundEnded({ ...round, ...received }, added);
  };

  return {
    get headers() {
      return headers;
    },
    soFar,
    round: async (number, first, read) => {
      const notes = first?.notes ?? [];
      const askedAt = first?.askedAt ?? performance.now();
      const figures = (came: Round | null) => ({
        round: number,
        usage: came?.usage ?? null,
        timeToFirstTokenMs: firstEventAt === null ? null : Math.round(firstEventAt - askedAt),
        durationMs: Math.round(performance.now() - askedAt),
        finishReason: came?.finishReason ?? null,
        ...(notes.length === 0 ? {} : { notes }),
      });
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
          const isGone = signal.aborted;
          // What the client has of a round cannot be taken back; the first round is the client's to retry.
          const mayRetry = !isGone && number > 1 && firstEventAt === null;
          const wait = mayRetry ? retryWait(error, tries) : null;
          if (wait === null) {
            const message = isGone ? null : messageOf(error);
            const status = isGone ? "cancelled" : "failed";
            note({ ...figures(soFar()), status, error: message }, soFar());
            throw error;
          }
          notes.push(`Tried again after ${Math.round(wait)} ms: ${messageOf(error)}`);
          await pause(wait, signal);
        }
      }
    },
  };
}
