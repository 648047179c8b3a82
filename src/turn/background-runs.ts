/**
 * The responses that this process makes in the background: their leases are renewed together, and
 * what others say of them (that they are cancelled, or made elsewhere) is heard of then.
 */
import { v7 as uuidv7 } from "uuid";
import type { JsonObject } from "../openai/json.ts";
import { memorySlot } from "../memory.ts";
import type { Platform } from "../platform.ts";
import {
  releaseBackground,
  renewLeases,
  type BackgroundPlace,
} from "../store/background-responses.ts";
import { describeError } from "../store/describe-error.ts";
import type { EventLog } from "./event-log.ts";

/** More wait in the table: each holds its rounds in memory. */
const MAX_RUNS = 200;
/** So many are of one key at most: the others' find room. */
const MAX_RUNS_OF_KEY = 50;
const RENEW_EVERY_MS = 1000;
/** How long those that are given up may take for it. */
const LAST_WORDS_MS = 2000;

/** Why a response is not made any more, here. */
type StopReason = "cancelled" | "elsewhere";

/** A response that is being made. */
export interface BackgroundRun extends BackgroundPlace {
  log: EventLog;
  /** Is aborted when it is to be made no more, for a {@link StopReason}. */
  stopping: AbortController;
  /** Makes it no more; one that ends already is left to end. */
  stop(reason: StopReason): void;
  /** What there is of it. */
  soFar(): JsonObject;
  /** Resolves when nothing of it is done here any more. */
  ended: Promise<void>;
}

/** Waits for a promise, but not for ever. */
async function settled(promise: Promise<unknown>, limitMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise((resolve) => (timer = setTimeout(resolve, limitMs)));
  await Promise.race([promise, limit]);
  clearTimeout(timer);
}

const nameOf = ({ apiKeyId, id }: BackgroundPlace): string => `${apiKeyId} ${id}`;

/** The responses that one process makes. */
class BackgroundRuns {
  /** By which the process is known to others. */
  readonly owner = uuidv7();
  readonly #runs = new Map<string, BackgroundRun>();
  #renewing = false;
  #isEnding = false;

  /** Keys of which enough are made at the same time. */
  get fullKeys(): string[] {
    const counts = new Map<string, number>();
    for (const { apiKeyId } of this.#runs.values())
      counts.set(apiKeyId, (counts.get(apiKeyId) ?? 0) + 1);
    return [...counts].filter(([, count]) => count >= MAX_RUNS_OF_KEY).map(([id]) => id);
  }

  /** Whether one more may be made, of whichever key. */
  get hasRoom(): boolean {
    return !this.#isEnding && this.#runs.size < MAX_RUNS;
  }

  /** Whether one more of a key may be made. */
  hasRoomFor(apiKeyId: string): boolean {
    return this.hasRoom && !this.fullKeys.includes(apiKeyId);
  }

  find(place: BackgroundPlace): BackgroundRun | undefined {
    return this.#runs.get(nameOf(place));
  }

  /**
   * Makes a response.
   * @param make does so; never throws. It says when the response ends: nobody can stop it then
   */
  start(
    platform: Platform,
    run: Omit<BackgroundRun, "ended" | "stop">,
    make: (sayEnding: () => void) => Promise<void>,
  ): BackgroundRun {
    const name = nameOf(run);
    let isEnding = false;
    const making = make(() => void (isEnding = true));
    const ended = making.finally(() => {
      this.#runs.delete(name);
      run.log.end();
    });
    const stop = (reason: StopReason) => {
      if (!isEnding) run.stopping.abort(reason);
    };
    const started = { ...run, stop, ended };
    this.#runs.set(name, started);
    if (!this.#renewing) void this.#renew(platform);
    return started;
  }

  /** Lets what is made end in time; the rest is given up to whoever goes on with it. */
  async close(platform: Platform, limitMs: number): Promise<void> {
    this.#isEnding = true;
    const running = [...this.#runs.values()];
    if (running.length === 0) return;
    const all = Promise.all(running.map(({ ended }) => ended));
    await settled(all, limitMs);
    if (this.#runs.size === 0) return;
    for (const run of running) run.stop("elsewhere");
    await settled(all, LAST_WORDS_MS);
    await releaseBackground(platform.database, this.owner).catch((error: unknown) =>
      platform.logger.warn(
        "Responses in the background are gone on with when their lease is over",
        {
          error: describeError(error),
        },
      ),
    );
  }

  /** Says that this process lives, for as long as it makes something. */
  async #renew(platform: Platform): Promise<void> {
    this.#renewing = true;
    while (this.#runs.size > 0) {
      await new Promise((resolve) => setTimeout(resolve, RENEW_EVERY_MS));
      await this.#renewOnce(platform).catch((error: unknown) =>
        platform.logger.warn("Leases of responses in the background could not be renewed", {
          error: describeError(error),
        }),
      );
    }
    this.#renewing = false;
  }

  async #renewOnce({ database }: Platform): Promise<void> {
    const asked = [...this.#runs.values()];
    if (asked.length === 0) return;
    const leases = await renewLeases(database, this.owner);
    const known = new Map(leases.map((lease) => [nameOf(lease), lease]));
    for (const run of asked) {
      const lease = known.get(nameOf(run));
      if (lease === undefined) run.stop("elsewhere");
      else if (lease.isCancelled) run.stop("cancelled");
    }
  }
}

/** Those that are made here. */
export const backgroundRuns = memorySlot(() => new BackgroundRuns());
