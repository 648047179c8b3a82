/** Keys that name one conversation, in whatever order their turns are written. */
import { asc, eq } from "drizzle-orm";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { conversations, turns } from "../../../drizzle/schema.ts";
import { openDatabase } from "../../../src/node/database/open-database.ts";
import type { TurnRecord } from "../../../src/record/turn-record.ts";
import { readTurn } from "../../../src/record/turn-rows.ts";
import { writeTurns } from "../../../src/store/write-turns.ts";
import { startPostgres, type TestPostgres } from "../../helpers/postgres-server.ts";
import { memoryLogger } from "./memory-logger.ts";

let server: TestPostgres;
let replicas: Awaited<ReturnType<typeof openDatabase>>[] = [];

beforeAll(async () => {
  server = await startPostgres();
  const place = { databaseUrl: await server.createDatabase(), dataDir: "unused" };
  const first = await openDatabase(place, memoryLogger());
  replicas = [first, await openDatabase(place, memoryLogger())];
});
afterAll(async () => {
  for (const { close } of replicas) await close();
  await server.stop();
});

let now = Date.now();

/** The turn of a chat, later than those before. */
function chat(conversationId: string, fields: Partial<TurnRecord> = {}): TurnRecord {
  now += 1000;
  return {
    id: uuidv7(),
    conversationId,
    apiKeyId: uuidv7(),
    apiKeyName: "a key",
    endpoint: "/v1/chat/completions",
    model: "m",
    streamed: false,
    status: "completed",
    httpStatus: 200,
    error: null,
    errorCode: null,
    finishReason: "stop",
    loopStopReason: null,
    startedAt: now,
    durationMs: 30,
    timeToFirstTokenMs: 20,
    request: JSON.stringify({ messages: [{ role: "user", content: "hi" }] }),
    response: null,
    produced: [],
    rounds: [],
    toolExecutions: [],
    toolsOffered: [],
    toolsShadowed: [],
    ...fields,
  };
}

const embedding = (conversationId: string) =>
  chat(conversationId, { endpoint: "/v1/embeddings", request: null });

async function write(records: TurnRecord[], replica = 0): Promise<void> {
  const batch = records.map(async (record) => ({ record, read: await readTurn(record) }));
  const database = replicas[replica]?.database;
  if (database === undefined) throw new Error("There is no such replica");
  await writeTurns(database, await Promise.all(batch));
}

/** Where a turn is: the conversation, its key, and how many turns it has. */
async function placeOf({ id }: TurnRecord) {
  const database = replicas[0]?.database;
  const [turn] =
    (await database
      ?.select({ conversationId: turns.conversationId })
      .from(turns)
      .where(eq(turns.id, id))) ?? [];
  // An embedding is on record as its conversation's row.
  const isIt =
    turn === undefined
      ? eq(conversations.requestId, id)
      : eq(conversations.id, turn.conversationId);
  const [row] =
    (await database
      ?.select({
        id: conversations.id,
        apiKeyId: conversations.apiKeyId,
        turnCount: conversations.turnCount,
      })
      .from(conversations)
      .where(isIt)
      .orderBy(asc(conversations.id))) ?? [];
  return row;
}

const named = (conversationId: string) => chat(conversationId, { isNamed: true });

/** Writes the turns of an owner and an intruder. */
type Writing = (owner: TurnRecord, intruder: TurnRecord) => Promise<unknown>;

const writings: Record<string, Writing> = {
  "one batch": (owner, intruder) => write([owner, intruder]),
  "one batch, the intruder's turn first": (owner, intruder) => write([intruder, owner]),
  "two batches": (owner, intruder) => write([owner]).then(() => write([intruder])),
  "two batches, the intruder's turn first": (owner, intruder) =>
    write([intruder]).then(() => write([owner])),
  "two replicas at the same time": (owner, intruder) =>
    Promise.all([write([owner], 0), write([intruder], 1)]),
};

const owners: Record<string, (id: string) => TurnRecord> = {
  "a chat": (id) => chat(id),
  "a chat that its client named": named,
  "a request for embeddings": embedding,
};

const cases = Object.keys(writings).flatMap((way) =>
  Object.keys(owners).map((whose) => ({ way, whose })),
);

describe("the text of one key is never in another key's conversation", () => {
  it.each(cases)("$whose, $way", async ({ way, whose }) => {
    const id = uuidv7();
    const owner = owners[whose]?.(id) ?? chat(id);
    const intruder = named(id);
    // What is written again is there already.
    for (let time = 1; time <= 2; time++) {
      await writings[way]?.(owner, intruder);
      const [mine, theirs] = [await placeOf(owner), await placeOf(intruder)];
      expect(mine).toMatchObject({ apiKeyId: owner.apiKeyId, turnCount: 1 });
      expect(theirs).toMatchObject({ apiKeyId: intruder.apiKeyId, turnCount: 1 });
      const holders = way.startsWith("one batch") ? [mine] : [mine, theirs];
      expect(holders.map((place) => place?.id)).toContain(id);
    }
  });

  it("further turns of both go on in their own", async () => {
    const id = uuidv7();
    const [owner, intruder] = [chat(id), named(id)];
    await write([intruder, owner]);
    const next = ({ apiKeyId }: TurnRecord) => chat(id, { isNamed: true, apiKeyId });
    await write([next(intruder), next(owner), next(intruder)]);
    expect(await placeOf(owner)).toMatchObject({ id, turnCount: 2 });
    expect(await placeOf(intruder)).toMatchObject({ turnCount: 3 });
  });
});
