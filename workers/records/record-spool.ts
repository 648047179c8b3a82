import { DurableObject } from "cloudflare:workers";
import { Memory } from "../../src/memory.ts";
import { isDatabaseUnavailable } from "../../src/store/database-error.ts";
import type { Database } from "../../src/store/database.ts";
import { describeError } from "../../src/store/describe-error.ts";
import { connectDatabase } from "../connect-database.ts";
import { createLogger } from "../create-logger.ts";
import type { WorkerEnvironment } from "../read-environment.ts";
import { configOf } from "../worker-config.ts";
import type { SpoolEntry, SpoolState, SpoolStub } from "./spool-entry.ts";
import { SpoolTable, type SpooledRecord } from "./spool-table.ts";
import { writeRecords, type RecordWriter } from "./write-records.ts";

/** Records are gathered this long, so that a busy proxy writes batches. */
const GATHER_MS = 50;
const FIRST_WAIT_MS = 250;
const MAX_WAIT_MS = 5000;
/** One call of `alarm` writes no longer than this: its time and its CPU are limited. */
const ALARM_MS = 2000;
/** After so many calls that a record has ended, its content is given up. */
const MAX_CRASHES = 5;
const TOO_MUCH = "The record is more than the Durable Object can read.";
/** Nothing of this object is reached from outside, so weak secrets are no matter here. */
const NO_HOST = "localhost";

/**
 * Where finished turns wait for the database: a record is durable when `keep` has answered, and
 * alarms write batches until all is on record, however long the database is away. Each object has
 * the records of some keys, and one connection.
 */
export class RecordSpool extends DurableObject<WorkerEnvironment> implements SpoolStub {
  readonly #table: SpoolTable;
  readonly #memory = new Memory();
  #database: Database | null = null;
  #failures = 0;
  /** Whether the database was away when it was asked last. */
  #isAway = false;
  #lastError: string | null = null;

  constructor(state: DurableObjectState, env: WorkerEnvironment) {
    super(state, env);
    this.#table = new SpoolTable(state.storage);
    void state.blockConcurrencyWhile(() => this.wake());
  }

  async keep(entry: SpoolEntry): Promise<void> {
    this.#table.add(entry);
    await this.#callSoon();
  }

  async waitingDollars(apiKeyId: string, except: string[]): Promise<number> {
    return this.#table.dollars(apiKeyId, except);
  }

  async state(): Promise<SpoolState> {
    return { waiting: this.#table.count(), lastError: this.#lastError };
  }

  async wake(): Promise<void> {
    this.#table.removeLostPieces();
    if (this.#table.count() > 0) await this.#callSoon();
  }

  /** Called by the runtime. It never throws: after six failures the runtime would call no more. */
  async alarm({ isRetry }: AlarmInfo = { isRetry: false }): Promise<void> {
    try {
      const writer = await this.#writer();
      // The call before did not end: what it read was too much for it.
      if (isRetry) await this.#writeEach(writer, this.#table.next());
      else await this.#writeForAWhile(writer);
      this.#failures = 0;
      this.#isAway = false;
      this.#lastError = null;
    } catch (error) {
      this.#failures++;
      // A connection of postgres.js 3.4.9 that was lost in a transaction never connects again.
      this.#database = null;
      this.#isAway = isDatabaseUnavailable(error);
      const described = describeError(error);
      this.#lastError = described.map(({ message }) => message).join(": ");
      console.warn(JSON.stringify({ level: "warn", msg: "Records wait", error: described }));
    }
    if (this.#table.count() > 0) await this.ctx.storage.setAlarm(Date.now() + this.#waitMs());
  }

  async #callSoon(): Promise<void> {
    const { storage } = this.ctx;
    const soon = Date.now() + GATHER_MS;
    const set = await storage.getAlarm();
    // A record that cannot be written must not hold up others.
    if (set === null || (set > soon && !this.#isAway)) await storage.setAlarm(soon);
  }

  #waitMs(): number {
    if (this.#failures === 0) return 0;
    return Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (this.#failures - 1));
  }

  async #writer(): Promise<RecordWriter> {
    const config = await configOf(this.env, NO_HOST);
    this.#database ??= connectDatabase(config.databaseUrl, {
      max: 1,
      idleSeconds: 2,
      memory: this.#memory,
      waitUntil: (closed) => this.ctx.waitUntil(closed),
    });
    return {
      config,
      database: this.#database,
      logger: createLogger({ config, memory: this.#memory }),
    };
  }

  async #writeForAWhile(writer: RecordWriter): Promise<void> {
    const until = Date.now() + ALARM_MS;
    while (Date.now() < until) {
      const ids = this.#table.next();
      if (ids.length === 0) return;
      try {
        await this.#write(
          writer,
          ids.map((id) => this.#table.read(id)),
        );
      } catch (error) {
        if (isDatabaseUnavailable(error)) throw error;
        // One of them may be at fault in a way that nobody thought of.
        await this.#writeEach(writer, ids);
      }
    }
  }

  async #write(writer: RecordWriter, records: SpooledRecord[]): Promise<void> {
    await writeRecords(
      writer,
      records.map(({ record }) => record),
    );
    this.#table.remove(records.map(({ id }) => id));
  }

  /** Writes records one by one. What fails, or ends the object, is tried again after the others. */
  async #writeEach(writer: RecordWriter, ids: string[]): Promise<void> {
    const failures: unknown[] = [];
    for (const id of ids) {
      const isTooMuch = this.#table.crashes(id) >= MAX_CRASHES;
      this.#table.tryBegins(id);
      await this.ctx.storage.sync();
      try {
        const record = isTooMuch ? this.#table.readFigures(id, TOO_MUCH) : this.#table.read(id);
        await this.#write(writer, [record]);
      } catch (error) {
        this.#table.tryFailed(id);
        if (isDatabaseUnavailable(error)) throw error;
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
