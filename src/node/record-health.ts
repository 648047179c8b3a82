import { messageOf } from "../openai/error-message.ts";
import type { PartHealth } from "../platform.ts";
import type { RecordWriterState } from "./record-writer.ts";

/** What is known of the record's way to the database. */
interface RecordFacts {
  state: Readonly<RecordWriterState>;
  /** Why the spool cannot be written, or null. */
  spoolFault: unknown;
  /** Records that no file takes, which wait in memory. */
  held: number;
  /** Records that found no place at all. */
  lost: number;
  dataDir: string;
}

/** What can be wrong, each with what an operator is told. The first is the worst. */
const FAULTS: ((facts: RecordFacts) => string | null)[] = [
  ({ lost }) =>
    lost === 0
      ? null
      : `${lost} records were lost: neither a file nor the database took them. See the log.`,
  ({ spoolFault, dataDir, held }) =>
    spoolFault === null
      ? null
      : `The spool in ${dataDir} cannot be written (${messageOf(spoolFault)}): records go to the ` +
        `database at once, and ${held} wait for it in memory. Make room there, or let this ` +
        "process write there.",
  ({ state: { fileFault }, dataDir }) =>
    fileFault === null
      ? null
      : `A file in ${dataDir} cannot be read or written (${fileFault}). It is tried again; ` +
        "nothing is lost meanwhile.",
  ({ state: { lastError } }) =>
    lastError === null
      ? null
      : "Records wait in the spool until the database is back. Nothing is lost.",
  ({ state: { rejectedTurns }, dataDir }) =>
    rejectedTurns === 0
      ? null
      : `The database refused ${rejectedTurns} records since the start. They are in ` +
        `${dataDir}/rejected.ndjson with the reason; their figures count where it took those.`,
];

/** How the record fares, for `/health`. */
export function recordHealth(facts: RecordFacts): PartHealth {
  const { segments, writtenTurns, rejectedTurns, tornLines } = facts.state;
  const figures = {
    waitingSegments: segments,
    waitingInMemory: facts.held,
    writtenTurns,
    rejectedTurns,
    tornLines,
    lostTurns: facts.lost,
  };
  const messages = FAULTS.map((fault) => fault(facts)).filter((message) => message !== null);
  if (messages.length === 0) return { status: "ok", ...figures };
  return { status: "degraded", message: messages.join(" "), ...figures };
}
