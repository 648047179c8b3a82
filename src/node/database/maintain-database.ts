import type { PGlite } from "@electric-sql/pglite";

/** What PostgreSQL's background processes do and PGlite, which has none, leaves undone. */
export interface Maintenance {
  pglite: PGlite;
  /** Runs work while no client uses the session. */
  exclusively<T>(work: () => Promise<T>): Promise<T>;
  /** Least time from one look for a table in need to the next, milliseconds. */
  vacuumEveryMs: number;
  /** Told before and after work that may block the session for long. */
  onLongWork(running: boolean): void;
  onFailure(error: unknown): void;
}

/**
 * Write-ahead log that may pile up before a checkpoint: one segment. `max_wal_size` then lets old
 * segments be reused.
 */
const WAL_BYTES = 16 * 1024 * 1024;
/** A quiet database is checkpointed too, so that opening it after a crash replays little. */
const CHECKPOINT_AFTER_MS = 60_000;

/**
 * Autovacuum's own thresholds; https://www.postgresql.org/docs/18/routine-vacuuming.html#AUTOVACUUM
 */
const NEEDIEST_TABLE = `
  select quote_ident(schemaname) || '.' || quote_ident(relname) as name,
         n_dead_tup > 50 + 0.2 * n_live_tup or n_ins_since_vacuum > 1000 + 0.2 * n_live_tup as vacuum
  from pg_stat_user_tables
  where n_dead_tup > 50 + 0.2 * n_live_tup or n_ins_since_vacuum > 1000 + 0.2 * n_live_tup
     or n_mod_since_analyze > 50 + 0.1 * n_live_tup
  order by n_dead_tup + n_mod_since_analyze desc limit 1`;

/** Bounds the write-ahead log and keeps tables and statistics in shape. */
export class DatabaseMaintainer {
  readonly #maintenance: Maintenance;
  #checkpointLsn: string | null = null;
  #checkpointAt = performance.now();
  #vacuumAt = performance.now();

  constructor(maintenance: Maintenance) {
    this.#maintenance = maintenance;
  }

  /** Does what is due. Cheap when nothing is (one short query); never rejects. */
  async tick(): Promise<void> {
    const { exclusively, onFailure, vacuumEveryMs } = this.#maintenance;
    try {
      await exclusively(() => this.#checkpointIfDue());
      if (performance.now() - this.#vacuumAt < vacuumEveryMs) return;
      this.#vacuumAt = performance.now();
      await exclusively(() => this.#vacuumNeediest());
    } catch (error) {
      onFailure(error);
    }
  }

  async #checkpointIfDue(): Promise<void> {
    const { pglite } = this.#maintenance;
    const { rows } = await pglite.query<{ bytes: number }>(
      `select pg_wal_lsn_diff(pg_current_wal_insert_lsn(),
         coalesce($1::pg_lsn, (select redo_lsn from pg_control_checkpoint())))::float8 as bytes`,
      [this.#checkpointLsn],
    );
    const bytes = rows[0]?.bytes ?? 0;
    const age = performance.now() - this.#checkpointAt;
    if (bytes < WAL_BYTES && (bytes === 0 || age < CHECKPOINT_AFTER_MS)) return;
    await pglite.exec("checkpoint");
    const after = await pglite.query<{ lsn: string }>(
      "select pg_current_wal_insert_lsn()::text as lsn",
    );
    this.#checkpointLsn = after.rows[0]?.lsn ?? null;
    this.#checkpointAt = performance.now();
  }

  /** One table at a time: clients get their turn in between. */
  async #vacuumNeediest(): Promise<void> {
    const { pglite, onLongWork } = this.#maintenance;
    await pglite.query("select pg_stat_force_next_flush()");
    const { rows } = await pglite.query<{ name: string; vacuum: boolean }>(NEEDIEST_TABLE);
    const table = rows[0];
    if (!table) return;
    onLongWork(true);
    try {
      await pglite.exec(table.vacuum ? `vacuum (analyze) ${table.name}` : `analyze ${table.name}`);
    } finally {
      onLongWork(false);
    }
  }
}
