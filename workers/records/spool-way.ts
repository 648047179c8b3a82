import { figuresOf, recordText } from "../../src/limits/read-figures.ts";
import { costOf, usedRounds } from "../../src/limits/turn-use.ts";
import type { Config } from "../../src/config/read-config.ts";
import type { TurnRecord } from "../../src/record/turn-record.ts";
import type { RecordWay } from "./record-way.ts";
import type { SpoolEntry, SpoolState, SpoolStub } from "./spool-entry.ts";

type SpoolBinding = DurableObjectNamespace<SpoolStub>;

/** Objects that share the keys. Each holds one connection to the database. */
const SHARDS = 4;
/** A row of the object's SQLite holds 2 MB. */
const PIECE_BYTES = 1024 * 1024;

function spoolNumbered(binding: SpoolBinding, number: number): SpoolStub {
  return binding.get(binding.idFromName(`records-${number}`));
}

/** All records of a key are in one object, which so knows what the key has not on record yet. */
function spoolOf(binding: SpoolBinding, apiKeyId: string): SpoolStub {
  let sum = 0;
  for (const letter of apiKeyId) sum = (sum * 31 + letter.charCodeAt(0)) % 65_521;
  return spoolNumbered(binding, sum % SHARDS);
}

const allSpools = (binding: SpoolBinding): SpoolStub[] =>
  Array.from({ length: SHARDS }, (_, number) => spoolNumbered(binding, number));

function entriesOf(record: TurnRecord, dollars: number): SpoolEntry[] {
  const bytes = new TextEncoder().encode(recordText(record));
  const pieces = Math.ceil(bytes.byteLength / PIECE_BYTES);
  const reason = "Its content was too large to be written.";
  const figures = pieces > 1 ? JSON.stringify(figuresOf(record, reason)) : null;
  const { id, apiKeyId } = record;
  return Array.from({ length: pieces }, (_, number) => {
    const start = number * PIECE_BYTES;
    const piece = bytes.slice(start, start + PIECE_BYTES);
    return { id, apiKeyId, dollars, piece, number, pieces, figures };
  });
}

/** By way of the Durable Object: what it has kept is written, however long the database is away. */
export function spoolWay(binding: SpoolBinding, config: Config): RecordWay {
  return {
    name: "RECORD_SPOOL",
    isAwaited: true,
    accept: async (record) => {
      const dollars = await costOf(usedRounds(record, 0), record, config);
      const spool = spoolOf(binding, record.apiKeyId);
      for (const entry of entriesOf(record, dollars)) await spool.keep(entry);
    },
  };
}

/** US dollars of a key's turns, other than these, that wait in the Durable Object. */
export const spooledDollars = (
  binding: SpoolBinding,
  apiKeyId: string,
  except: string[],
): Promise<number> => spoolOf(binding, apiKeyId).waitingDollars(apiKeyId, except);

/** How far the writing of all objects is. */
export async function spoolState(binding: SpoolBinding): Promise<SpoolState> {
  const states = await Promise.all(allSpools(binding).map((spool) => spool.state()));
  const waiting = states.reduce((sum, state) => sum + state.waiting, 0);
  const failed = states.find(({ lastError }) => lastError !== null);
  return { waiting, lastError: failed?.lastError ?? null };
}

/** Has what waits written, should nothing else have called for it. */
export async function wakeSpools(binding: SpoolBinding): Promise<void> {
  await Promise.all(allSpools(binding).map((spool) => spool.wake()));
}
