/** What goes between the Worker and the Durable Object in which records wait. */

/** A piece of a record on its way into the spool. */
export interface SpoolEntry {
  /** Of the turn. */
  id: string;
  apiKeyId: string;
  /** What the turn cost, in US dollars, as far as prices are known. */
  dollars: number;
  /** A piece of the record's JSON text in UTF-8. */
  piece: Uint8Array<ArrayBuffer>;
  /** From 0. */
  number: number;
  /** How many pieces the record has. */
  pieces: number;
  /**
   * JSON text of the record without its content, where it has many pieces: this is what is on
   * record should the whole be more than the object can read.
   */
  figures: string | null;
}

/** How far the writing is. */
export interface SpoolState {
  /** Records that are not in the database yet. */
  waiting: number;
  /** Why the database could not be written just now, or null. */
  lastError: string | null;
}

/** What can be asked of the Durable Object. */
export interface SpoolStub {
  /** Keeps a piece; when the last of a record is there, the record cannot be lost any more. */
  keep(entry: SpoolEntry): Promise<void>;
  /** US dollars of a key's turns that wait, other than these. */
  waitingDollars(apiKeyId: string, except: string[]): Promise<number>;
  state(): Promise<SpoolState>;
  /** Has what waits written, should nothing else have called for it. */
  wake(): Promise<void>;
}
