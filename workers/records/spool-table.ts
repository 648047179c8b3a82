import { figuresOf } from "../../src/limits/read-figures.ts";
import type { TurnRecord } from "../../src/record/turn-record.ts";
import type { SpoolEntry } from "./spool-entry.ts";

/** Records that are written together, and bytes of their texts. */
const MAX_BATCH = 100;
const MAX_BATCH_BYTES = 4 * 1024 * 1024;
/** Pieces of a record whose sender died before it had sent all. */
const LOST_PIECES_MS = 24 * 3_600_000;

/** A record that waits. */
export interface SpooledRecord {
  id: string;
  record: TurnRecord;
}

interface WaitingRow {
  id: string;
  bytes: number;
  tries: number;
  crashes: number;
  figures: string | null;
}

const SCHEMA = [
  `create table if not exists records (id text primary key, api_key_id text not null,
    dollars real not null, bytes integer not null, tries integer not null,
    crashes integer not null, figures text)`,
  `create table if not exists pieces (id text not null, number integer not null,
    kept_at integer not null, bytes blob not null, primary key (id, number))`,
];

/** The records of a Durable Object, in its SQLite. */
export class SpoolTable {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    for (const statement of SCHEMA) this.#rows(statement);
  }

  #rows<Row>(query: string, ...bindings: (string | number | null | Uint8Array)[]): Row[] {
    return this.#storage.sql.exec<Row>(query, ...bindings).toArray();
  }

  /** Keeps a piece. A record waits when all of its pieces are there; none counts twice. */
  add({ id, apiKeyId, dollars, piece, number, pieces, figures }: SpoolEntry): void {
    this.#storage.transactionSync(() => {
      this.#rows(
        "insert or replace into pieces (id, number, kept_at, bytes) values (?, ?, ?, ?)",
        id,
        number,
        Date.now(),
        piece,
      );
      const [kept] = this.#rows<{ count: number; bytes: number }>(
        "select count(*) as count, sum(length(bytes)) as bytes from pieces where id = ?",
        id,
      );
      if (kept === undefined || kept.count < pieces) return;
      this.#rows(
        `insert or ignore into records (id, api_key_id, dollars, bytes, tries, crashes, figures)
          values (?, ?, ?, ?, 0, 0, ?)`,
        id,
        apiKeyId,
        dollars,
        kept.bytes,
        figures,
      );
    });
  }

  /** How many records wait. */
  count(): number {
    return this.#rows<{ count: number }>("select count(*) as count from records")[0]?.count ?? 0;
  }

  /** US dollars of a key's turns that wait, other than these. */
  dollars(apiKeyId: string, except: string[]): number {
    const [row] = this.#rows<{ dollars: number | null }>(
      `select sum(dollars) as dollars from records
        where api_key_id = ? and id not in (select value from json_each(?))`,
      apiKeyId,
      JSON.stringify(except),
    );
    return row?.dollars ?? 0;
  }

  /**
   * What is to be written next, oldest first. What failed before comes after all others, and never
   * with them.
   */
  next(): string[] {
    const rows = this.#rows<WaitingRow>(
      "select id, bytes, tries from records order by tries, id limit ?",
      MAX_BATCH,
    );
    let bytes = 0;
    const fitting = rows.filter((row, index) => {
      bytes += row.bytes;
      return index === 0 || (bytes <= MAX_BATCH_BYTES && row.tries === rows[0]?.tries);
    });
    return fitting.map(({ id }) => id);
  }

  /** How often the object ended while it tried a record on its own. */
  crashes(id: string): number {
    const [row] = this.#rows<WaitingRow>("select crashes from records where id = ?", id);
    return row?.crashes ?? 0;
  }

  /** Notes that a record is about to be tried on its own, so that it is known should all end. */
  tryBegins(id: string): void {
    this.#rows("update records set crashes = crashes + 1 where id = ?", id);
  }

  /** Notes that the try of a record came to an end, and failed. */
  tryFailed(id: string): void {
    this.#rows("update records set crashes = crashes - 1, tries = tries + 1 where id = ?", id);
  }

  /** Reads a record whole. */
  read(id: string): SpooledRecord {
    const pieces = this.#rows<{ bytes: ArrayBuffer }>(
      "select bytes from pieces where id = ? order by number",
      id,
    );
    const decoder = new TextDecoder();
    const texts = pieces.map(({ bytes }) => decoder.decode(bytes, { stream: true }));
    return { id, record: JSON.parse(texts.join("") + decoder.decode()) as TurnRecord };
  }

  /** Reads a record without its content. */
  readFigures(id: string, reason: string): SpooledRecord {
    const [row] = this.#rows<WaitingRow>("select figures from records where id = ?", id);
    const kept = row?.figures ?? null;
    if (kept === null) return { id, record: figuresOf(this.read(id).record, reason) };
    const record = JSON.parse(kept) as TurnRecord;
    return { id, record: { ...record, error: record.error ?? reason } };
  }

  /** Forgets records that are in the database. */
  remove(ids: string[]): void {
    const list = JSON.stringify(ids);
    this.#storage.transactionSync(() => {
      for (const table of ["pieces", "records"])
        this.#rows(`delete from ${table} where id in (select value from json_each(?))`, list);
    });
  }

  /** Forgets pieces whose record will never be whole. */
  removeLostPieces(): void {
    this.#rows(
      "delete from pieces where kept_at < ? and id not in (select id from records)",
      Date.now() - LOST_PIECES_MS,
    );
  }
}
