/** Calls that wait for a thread of the sandbox, and which of them is next: fair between owners. */
import type { FunctionJob } from "./function-threads.ts";

/** What of the threads some calls may hold at once, and how many calls may wait. */
interface Shares {
  /** Threads for calls of one implementation, so that one broken tool cannot hold them all. */
  perImplementation: number;
  /** Threads for calls of one owner: others find one free. */
  perOwner: number;
  /** Calls that wait, of all owners and of one. */
  waiting: number;
  waitingPerOwner: number;
}

/** How many jobs there are of each owner, or of each implementation. */
function counted(jobs: readonly FunctionJob[], by: "owner" | "implementation") {
  const counts = new Map<string, number>();
  for (const job of jobs) counts.set(job[by], (counts.get(job[by]) ?? 0) + 1);
  return (job: FunctionJob): number => counts.get(job[by]) ?? 0;
}

/** The queue. What runs is told with each question. */
export class FunctionQueue {
  readonly #shares: Shares;
  #jobs: FunctionJob[] = [];
  /** Which of all jobs was each owner's last to get a thread, counted from 1. */
  readonly #lastServed = new Map<string, number>();
  #served = 0;

  constructor(shares: Shares) {
    this.#shares = shares;
  }

  get isEmpty(): boolean {
    return this.#jobs.length === 0;
  }

  /** Puts a job at the end. @returns why it is turned away, or null */
  add(job: FunctionJob): string | null {
    const { waiting, waitingPerOwner } = this.#shares;
    if (this.#jobs.length >= waiting) return `${waiting} calls are waiting for the sandbox already`;
    if (counted(this.#jobs, "owner")(job) >= waitingPerOwner)
      return `${waitingPerOwner} calls of this API key are waiting for the sandbox already`;
    this.#jobs.push(job);
    return null;
  }

  /** Puts a job that had a thread back to the end. */
  putBack(job: FunctionJob): void {
    this.#jobs.push(job);
  }

  remove(job: FunctionJob): void {
    this.#jobs = this.#jobs.filter((waiting) => waiting !== job);
  }

  /** Empties the queue, or takes those out that were queued before a time. */
  takeAll(before = Infinity): FunctionJob[] {
    const taken = this.#jobs.filter(({ queuedAt }) => queuedAt < before);
    this.#jobs = this.#jobs.filter(({ queuedAt }) => queuedAt >= before);
    return taken;
  }

  /** Whether a job has waited since before a time. */
  hasWaitedSince(before: number): boolean {
    return this.#jobs.some(({ queuedAt }) => queuedAt <= before);
  }

  /** Takes the next job out that may have a thread beside those that run. */
  next(running: readonly FunctionJob[]): FunctionJob | undefined {
    const { perImplementation, perOwner } = this.#shares;
    const ofImplementation = counted(running, "implementation");
    const ofOwner = counted(running, "owner");
    const mayRun = (job: FunctionJob) =>
      ofImplementation(job) < perImplementation && ofOwner(job) < perOwner;
    const job = this.#firstOf(this.#jobs.filter(mayRun), ofOwner);
    if (job === undefined) return undefined;
    this.remove(job);
    if (this.isEmpty) this.#lastServed.clear();
    else this.#lastServed.set(job.owner, ++this.#served);
    return job;
  }

  /**
   * The running job whose thread another owner should have: one that has waited since before
   * `before`, and runs nothing. Null where there is none, or nobody to give one up.
   * @param mayYield whether a running job can give its thread up
   */
  yielding(
    running: readonly FunctionJob[],
    before: number,
    mayYield: (job: FunctionJob) => boolean,
  ): FunctionJob | null {
    const ofOwner = counted(running, "owner");
    const starved = this.#firstOf(
      this.#jobs.filter((job) => job.queuedAt <= before && ofOwner(job) === 0),
      ofOwner,
    );
    if (starved === undefined) return null;
    const { perImplementation } = this.#shares;
    const isShareHeld = counted(running, "implementation")(starved) >= perImplementation;
    const able = running.filter(
      (job) => mayYield(job) && (!isShareHeld || job.implementation === starved.implementation),
    );
    return able.toSorted((a, b) => ofOwner(b) - ofOwner(a))[0] ?? null;
  }

  /**
   * The oldest job of the owner who has the fewest threads; of several the one for whom the fewest
   * jobs wait, then the one who got a thread the longest ago.
   */
  #firstOf(jobs: FunctionJob[], ofOwner: (job: FunctionJob) => number): FunctionJob | undefined {
    const waiting = counted(this.#jobs, "owner");
    const last = (job: FunctionJob) => this.#lastServed.get(job.owner) ?? 0;
    const order = (a: FunctionJob, b: FunctionJob) =>
      ofOwner(a) - ofOwner(b) || waiting(a) - waiting(b) || last(a) - last(b);
    return jobs.toSorted(order)[0];
  }
}
