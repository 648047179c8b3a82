import { figuresOf } from "../../src/limits/read-figures.ts";
import { noteTurnsWritten } from "../../src/limits/memory-limits.ts";
import { memorySlot, type Memory } from "../../src/memory.ts";
import type { TurnRecord } from "../../src/record/turn-record.ts";
import { pause } from "../pause.ts";
import type { RecordWay } from "./record-way.ts";
import { writeRecords, type RecordWriter } from "./write-records.ts";

/** Records of the isolate that wait, and who writes them. */
interface Waiting {
  records: Map<string, TurnRecord>;
  /** Until when a request has the right to write all of them, in milliseconds since 1970. */
  writingUntil: number;
}

const MAX_BATCH = 50;
/** On workerd nobody can be woken by another request: each looks for itself. */
const LOOK_EVERY_MS = 20;
/** A request that writes for longer has died, as workerd lets them. */
const WRITE_LIMIT_MS = 15_000;
/** Of records that wait, after which further ones wait without their content. */
const MAX_WAITING_CHARACTERS = 16 * 1024 * 1024;

const waitingRecords = memorySlot((): Waiting => ({ records: new Map(), writingUntil: 0 }));

const charactersOf = ({ request, response }: TurnRecord): number =>
  (request?.length ?? 0) + (response?.text.length ?? 0);

function remember({ records }: Waiting, record: TurnRecord): void {
  const all = [...records.values(), record];
  const characters = all.reduce((sum, other) => sum + charactersOf(other), 0);
  const isTooMuch = characters > MAX_WAITING_CHARACTERS;
  const why = "Too much waited for the database: its content was not kept.";
  records.set(record.id, isTooMuch ? figuresOf(record, why) : record);
}

/** How many records wait in this isolate alone. */
export const waitingInIsolate = (memory: Memory): number => waitingRecords.of(memory).records.size;

/**
 * From the request itself, where there is nothing else: of all requests of the isolate one at a
 * time writes, for all. Nothing of it survives the isolate.
 */
export function directWay(memory: Memory, writer: () => RecordWriter): RecordWay {
  const waiting = waitingRecords.of(memory);

  const writeSome = async (): Promise<void> => {
    waiting.writingUntil = Date.now() + WRITE_LIMIT_MS;
    try {
      const batch = [...waiting.records.values()].slice(0, MAX_BATCH);
      await writeRecords(writer(), batch);
      const ids = batch.map(({ id }) => id);
      for (const id of ids) waiting.records.delete(id);
      noteTurnsWritten(memory, ids);
    } finally {
      waiting.writingUntil = 0;
    }
  };

  return {
    name: "the request itself",
    isAwaited: false,
    accept: async (record) => {
      if (!waiting.records.has(record.id)) remember(waiting, record);
      const deadline = Date.now() + WRITE_LIMIT_MS;
      while (waiting.records.has(record.id)) {
        if (Date.now() > waiting.writingUntil) await writeSome();
        else if (Date.now() > deadline) throw new Error("Another request writes for too long.");
        else await pause(LOOK_EVERY_MS);
      }
    },
  };
}
