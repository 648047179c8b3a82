import { readAnyTurn, readFigures } from "../../src/limits/read-figures.ts";
import type { Platform } from "../../src/platform.ts";
import type { TurnRecord } from "../../src/record/turn-record.ts";
import { isDataFault } from "../../src/store/database-error.ts";
import { describeError } from "../../src/store/describe-error.ts";
import { writeTurns, type TurnToWrite } from "../../src/store/write-turns.ts";

/** What writing takes. */
export type RecordWriter = Pick<Platform, "config" | "database" | "logger">;

async function readAll(
  { config, logger }: RecordWriter,
  records: TurnRecord[],
): Promise<TurnToWrite[]> {
  const turns: TurnToWrite[] = [];
  for (const record of records) {
    try {
      const { fault, ...turn } = await readAnyTurn(record, config.prices);
      if (fault !== null)
        logger.error("A record has no content", { turn: record.id, error: fault });
      turns.push(turn);
    } catch (error) {
      logger.error("Not even the figures of a record can be read", {
        turn: record.id,
        error: describeError(error),
      });
    }
  }
  return turns;
}

/** Writes one turn, or its figures where the database refuses what else it holds. */
async function writeAlone(writer: RecordWriter, turn: TurnToWrite): Promise<void> {
  const { config, database, logger } = writer;
  try {
    await writeTurns(database, [turn]);
  } catch (error) {
    if (!isDataFault(error)) throw error;
    const { record } = turn;
    logger.error("The database refused a record; its figures are kept", {
      turn: record.id,
      error: describeError(error),
    });
    const why = "The database refused its content.";
    await writeTurns(database, [await readFigures(record, why, config.prices)]);
  }
}

/**
 * Writes records in one transaction, each exactly once however often it comes. Of what the database
 * refuses for its content the figures are on record.
 * @throws where the database cannot be written: then nothing is known to be
 */
export async function writeRecords(writer: RecordWriter, records: TurnRecord[]): Promise<void> {
  const turns = await readAll(writer, records);
  if (turns.length === 0) return;
  try {
    await writeTurns(writer.database, turns);
  } catch (error) {
    if (!isDataFault(error)) throw error;
    // One of them is at fault: the others must not suffer for it.
    for (const turn of turns) await writeAlone(writer, turn);
  }
}
