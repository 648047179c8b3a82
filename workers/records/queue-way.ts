import { recordText } from "../../src/limits/read-figures.ts";
import { parseJson } from "../../src/openai/json.ts";
import type { TurnRecord } from "../../src/record/turn-record.ts";
import { isDatabaseUnavailable } from "../../src/store/database-error.ts";
import { describeError } from "../../src/store/describe-error.ts";
import { NotThisWay, type RecordWay } from "./record-way.ts";
import { writeRecords, type RecordWriter } from "./write-records.ts";

/** A message holds 128 KB: https://developers.cloudflare.com/queues/platform/limits/ */
const MAX_MESSAGE_BYTES = 125_000;
const FIRST_WAIT_S = 5;
const LONG_WAIT_S = 120;
/**
 * From this attempt on a message is sent anew instead of tried again: the Queue drops one after
 * `max_retries`, and after some days.
 */
const SEND_ANEW_AFTER = 3;

/** By way of a Queue, which hands the records to {@link writeQueued} in batches. */
export function queueWay(queue: Queue): RecordWay {
  return {
    name: "RECORD_QUEUE",
    isAwaited: true,
    accept: async (record) => {
      const text = recordText(record);
      const { byteLength } = new TextEncoder().encode(text);
      if (byteLength > MAX_MESSAGE_BYTES)
        throw new NotThisWay(`A message of ${byteLength} bytes is too large for a Queue.`);
      await queue.send(text, { contentType: "text" });
    },
  };
}

async function postpone(message: QueueMessage, queue: Queue | undefined): Promise<void> {
  const delaySeconds = message.attempts < SEND_ANEW_AFTER ? FIRST_WAIT_S : LONG_WAIT_S;
  if (message.attempts < SEND_ANEW_AFTER || queue === undefined)
    return message.retry({ delaySeconds });
  try {
    await queue.send(String(message.body), { contentType: "text", delaySeconds });
    message.ack();
  } catch {
    // The Queue itself does not answer: it keeps what it has.
    message.retry({ delaySeconds });
  }
}

/** A message, and the record in it. */
interface ReadMessage {
  message: QueueMessage;
  record: TurnRecord;
}

function readMessages({ messages }: MessageBatch, { logger }: RecordWriter): ReadMessage[] {
  return messages.flatMap((message) => {
    const record = parseJson(String(message.body)) as TurnRecord | undefined;
    if (record !== undefined) return [{ message, record }];
    logger.error("A message of the Queue is no record");
    message.ack();
    return [];
  });
}

/** Writes messages together. @returns what they failed with, or null */
async function writeTogether(read: ReadMessage[], writer: RecordWriter): Promise<unknown> {
  try {
    await writeRecords(
      writer,
      read.map(({ record }) => record),
    );
    for (const { message } of read) message.ack();
    return null;
  } catch (error) {
    writer.logger.warn("Records wait in the Queue", { error: describeError(error) });
    return error;
  }
}

/** Writes a batch of the Queue. What cannot be written now comes again, for ever. */
export async function writeQueued(
  batch: MessageBatch,
  writer: RecordWriter,
  queue: Queue | undefined,
): Promise<void> {
  const read = readMessages(batch, writer);
  const error = await writeTogether(read, writer);
  if (error === null) return;
  const isAway = isDatabaseUnavailable(error);
  for (const one of read) {
    // One of them may be at fault in a way that nobody thought of.
    const isWritten = !isAway && (await writeTogether([one], writer)) === null;
    if (!isWritten) await postpone(one.message, queue);
  }
}
