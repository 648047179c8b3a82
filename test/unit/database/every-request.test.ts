/** What is written of a request, whatever it was. */
import { readFileSync } from "node:fs";
import { sql } from "drizzle-orm";
import { v7 as uuidv7 } from "uuid";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDatabase } from "../../../src/node/database/open-database.ts";
import type { RoundRecord, TurnRecord } from "../../../src/record/turn-record.ts";
import { readTurn } from "../../../src/record/turn-rows.ts";
import { findConversation, listConversations } from "../../../src/store/conversations.ts";
import { readStats } from "../../../src/store/stats.ts";
import { writeTurns } from "../../../src/store/write-turns.ts";
import { startPostgres, type TestPostgres } from "../../helpers/postgres-server.ts";
import { memoryLogger } from "./memory-logger.ts";

let server: TestPostgres;
let opened: Awaited<ReturnType<typeof openDatabase>>;

beforeAll(async () => {
  server = await startPostgres();
  opened = await openDatabase(
    { databaseUrl: await server.createDatabase(), dataDir: "unused" },
    memoryLogger(),
  );
});
afterAll(async () => {
  await opened.close();
  await server.stop();
});

const round = (fields: Partial<RoundRecord> = {}): RoundRecord => ({
  round: 1,
  status: "completed",
  usage: { prompt_tokens: 8, completion_tokens: 0, total_tokens: 8 },
  timeToFirstTokenMs: 20,
  durationMs: 30,
  finishReason: null,
  error: null,
  ...fields,
});

const DIGEST = { sha256: "0".repeat(64), bytes: 12_345, contentType: "application/json" };

/** An answered request for embeddings. */
function record(fields: Partial<TurnRecord> = {}): TurnRecord {
  return {
    id: uuidv7(),
    conversationId: uuidv7(),
    apiKeyId: uuidv7(),
    apiKeyName: "a key",
    endpoint: "/v1/embeddings",
    model: "text-embedding-3-small",
    streamed: false,
    status: "completed",
    httpStatus: 200,
    error: null,
    errorCode: null,
    finishReason: null,
    loopStopReason: null,
    startedAt: Date.now(),
    durationMs: 30,
    timeToFirstTokenMs: 20,
    request: null,
    response: null,
    responseDigest: DIGEST,
    produced: [],
    rounds: [round()],
    toolExecutions: [],
    toolsOffered: [],
    toolsShadowed: [],
    ...fields,
  };
}

const REFUSAL = {
  status: "refused" as const,
  httpStatus: 429,
  error: "Too many requests.",
  errorCode: "rate_limit_exceeded",
  rounds: [],
};

async function write(...records: TurnRecord[]): Promise<void> {
  const batch = records.map(async (one) => ({ record: one, read: await readTurn(one) }));
  await writeTurns(opened.database, await Promise.all(batch));
}

/** Writes a turn of which this was said. */
async function writeSaid(made: TurnRecord, asked: unknown, answered: unknown): Promise<void> {
  const read = await readTurn(made);
  const message = { toolCalls: "null", toolCallId: null, extra: null, hidden: false };
  const sent = [{ ...message, role: "user", content: JSON.stringify(asked), round: null }];
  const produced = [{ ...message, role: "assistant", content: JSON.stringify(answered), round: 1 }];
  await writeTurns(opened.database, [{ record: made, read: { ...read, sent, produced } }]);
}

const rowsOf = async (table: "conversations" | "turns" | "rounds" | "messages"): Promise<number> =>
  Number(
    (
      await opened.database.execute<{ count: string }>(
        sql`select count(*) from ${sql.identifier(table)}`,
      )
    )[0]?.count,
  );

async function totalOf(apiKeyId: string) {
  const hour = 3_600_000;
  const stats = await readStats(opened.database, {
    from: new Date(Math.floor(Date.now() / hour) * hour - hour),
    to: new Date(Math.floor(Date.now() / hour) * hour + hour),
    bucket: "day",
    groupBy: "none",
    apiKeyId,
  });
  return stats.totals[0];
}

const chat = (messages: string[], answer: string | null, fields: Partial<TurnRecord>) =>
  record({
    endpoint: "/v1/chat/completions",
    request: JSON.stringify({
      model: "m",
      messages: messages.map((content, index) => ({
        role: index % 2 === 0 ? "user" : "assistant",
        content,
      })),
    }),
    produced:
      answer === null
        ? []
        : [{ message: { role: "assistant", content: answer }, round: 1, hidden: false }],
    ...fields,
  });

describe("a request of which there is nothing but figures", () => {
  it.each([
    ["a vector", record()],
    ["a list of models", record({ endpoint: "/v1/models", model: null, rounds: [] })],
    ["a file that was deleted", record({ endpoint: "/v1/files/file-1", rounds: [] })],
    ["a refusal", record(REFUSAL)],
    ["an upload", record({ endpoint: "/v1/files", requestDigest: DIGEST })],
    [
      "a failure",
      record({ status: "failed", httpStatus: 502, error: "gone", errorCode: "upstream_error" }),
    ],
  ])("is one row: %s", async (_name, made) => {
    const before = await Promise.all([rowsOf("turns"), rowsOf("rounds"), rowsOf("messages")]);
    await write(made);
    await write(made);
    const after = await Promise.all([rowsOf("turns"), rowsOf("rounds"), rowsOf("messages")]);
    expect(after).toEqual(before);
    const found = await findConversation(opened.database, made.conversationId);
    const { status, httpStatus, error, errorCode, endpoint, model } = made;
    expect(found).toMatchObject({
      kind: "request",
      endpoint,
      model,
      status,
      statuses: [status],
      error,
      errorCode,
      turnCount: 1,
      messages: [],
    });
    expect(Object.keys(found ?? {})).not.toContain("requestId");
    expect(found?.turns).toEqual([
      expect.objectContaining({
        id: made.id,
        endpoint,
        model,
        status,
        httpStatus,
        error,
        errorCode,
        requestDigest: made.requestDigest ?? null,
        responseDigest: DIGEST,
        durationMs: 30,
        timeToFirstTokenMs: 20,
        startedAt: new Date(made.startedAt),
      }),
    ]);
    expect(await totalOf(made.apiKeyId)).toMatchObject({
      requests: 1,
      refused: status === "refused" ? 1 : 0,
      failed: status === "failed" ? 1 : 0,
    });
  });

  it("shows its round as one that has rows of its own does", async () => {
    const plain = record();
    const noted = record({ rounds: [round({ notes: ["Asked again without stream_options."] })] });
    await write(plain, noted);
    const [one, other] = [
      await findConversation(opened.database, plain.conversationId),
      await findConversation(opened.database, noted.conversationId),
    ];
    const keys = (value: object | undefined) => Object.keys(value ?? {}).toSorted();
    expect(keys(one?.turns[0])).toEqual(keys(other?.turns[0]));
    expect(keys(one?.rounds[0])).toEqual(keys(other?.rounds[0]));
    expect(one?.rounds).toMatchObject([{ turnId: plain.id, totalTokens: 8, notes: [] }]);
    expect(other?.rounds).toMatchObject([
      { turnId: noted.id, totalTokens: 8, notes: ["Asked again without stream_options."] },
    ]);
  });

  it("is counted once, however many write it at the same time", async () => {
    const made = record();
    await Promise.all([1, 2, 3, 4].map(() => write(made, record())));
    expect(await totalOf(made.apiKeyId)).toMatchObject({ requests: 1, promptTokens: 8 });
  });

  it("is the first of several turns when a client names its conversation", async () => {
    const apiKeyId = uuidv7();
    const first = record({ apiKeyId });
    const next = chat(["and now?"], "Now.", {
      apiKeyId,
      conversationId: first.conversationId,
      isNamed: true,
      startedAt: first.startedAt + 1000,
    });
    await write(first);
    await write(next);
    const again = record({ ...next, id: uuidv7(), startedAt: first.startedAt + 2000 });
    await write(first, again);
    const found = await findConversation(opened.database, first.conversationId);
    expect(found?.turns.map(({ id }) => id)).toEqual([first.id, next.id, again.id]);
    expect(found?.turns[0]).toMatchObject({ endpoint: "/v1/embeddings", responseDigest: DIGEST });
    expect(found).toMatchObject({ kind: "conversation", turnCount: 3, totalTokens: 24 });
    expect(found?.rounds).toHaveLength(3);
    expect(await totalOf(apiKeyId)).toMatchObject({ requests: 3 });
  });

  it("is one row with what people can read of it, which is shown, searched and unfolded", async () => {
    const apiKeyId = uuidv7();
    const made = record({ apiKeyId, endpoint: "/v1/moderations" });
    const said = [{ type: "text", text: 'a "porcupine" \\ in\0side\ud800' }];
    const before = await Promise.all([rowsOf("turns"), rowsOf("messages")]);
    await writeSaid(made, said, { flagged: false });
    expect(await Promise.all([rowsOf("turns"), rowsOf("messages")])).toEqual(before);
    const shown = [
      { role: "user", content: said, toolCalls: null, hidden: false, round: null, extra: null },
      { role: "assistant", content: { flagged: false }, hidden: false, round: 1 },
    ];
    const found = await findConversation(opened.database, made.conversationId);
    expect(found?.messages).toMatchObject(shown);
    const search = async (q: string) =>
      (await listConversations(opened.database, { limit: 5 }, { apiKeyId, q })).data.length;
    expect(await Promise.all(["porcupine", "a porcu", "hedgehog"].map(search))).toEqual([1, 1, 0]);
    expect(await Promise.all(["assistant", "role", "content"].map(search))).toEqual([0, 0, 0]);
    const next = chat(["and now?"], "Now.", {
      apiKeyId,
      conversationId: made.conversationId,
      isNamed: true,
      startedAt: made.startedAt + 1000,
    });
    await write(next);
    const unfolded = await findConversation(opened.database, made.conversationId);
    expect(unfolded?.messages.slice(0, 2)).toEqual(found?.messages);
    expect(unfolded).toMatchObject({ messageCount: 4, turnCount: 2 });
    expect(await search("porcupine")).toBe(1);
  });

  it("is more than a row where its content is long", async () => {
    const made = record({ endpoint: "/v1/audio/transcriptions" });
    await writeSaid(made, "word ".repeat(30_000), null);
    const found = await findConversation(opened.database, made.conversationId);
    expect(found?.messages[0]).toMatchObject({ content: "word ".repeat(30_000) });
    expect(found?.turns).toMatchObject([{ id: made.id }]);
    const rows = await opened.database.execute(sql`select 1 from turns where id = ${made.id}`);
    expect(rows).toHaveLength(1);
  });

  it("costs a busy key less than a kilobyte a request, indexes included", async () => {
    const apiKeyId = uuidv7();
    const size = async () => {
      const [row] = await opened.database.execute<{ size: string }>(sql`
        select sum(pg_total_relation_size(relid)) size from pg_stat_user_tables`);
      return Number(row?.size);
    };
    const before = await size();
    const many = 5000;
    for (let written = 0; written < many; written += 500)
      await write(...Array.from({ length: 500 }, () => record({ apiKeyId })));
    const each = ((await size()) - before) / many;
    expect(each).toBeLessThan(900);
    // What PostgreSQL itself does from time to time, with a search path of its own.
    await opened.database.execute(sql`analyze conversations`);
    await opened.database.execute(sql`reindex table conversations`);
  });
});

describe("a conversation of turns that ended differently", () => {
  it("has all statuses, the latest error with its code, and what was refused counts", async () => {
    const apiKeyId = uuidv7();
    const at = Date.now();
    const first = chat(["one"], "First.", { apiKeyId, startedAt: at });
    const failed = chat(["one", "First.", "two"], null, {
      apiKeyId,
      startedAt: at + 1000,
      status: "failed",
      httpStatus: 500,
      error: "broken",
      errorCode: "server_error",
    });
    const refused = chat(["one", "First.", "two"], null, {
      apiKeyId,
      startedAt: at + 2000,
      ...REFUSAL,
    });
    const last = chat(["one", "First.", "two"], "Second.", { apiKeyId, startedAt: at + 3000 });
    // A record of before the code was kept.
    const { errorCode: _none, ...old } = record({ apiKeyId, status: "failed", error: "old" });
    for (const one of [first, failed, refused, last]) await write(one);
    await write(old as TurnRecord);
    const list = async (filter: object) =>
      (await listConversations(opened.database, { limit: 50 }, { apiKeyId, ...filter })).data;
    const [row, ...others] = await list({ kind: "conversation" });
    expect(others).toEqual([]);
    expect(row).toMatchObject({
      status: "completed",
      error: REFUSAL.error,
      errorCode: REFUSAL.errorCode,
      turnCount: 4,
    });
    expect(row?.statuses.toSorted()).toEqual(["completed", "failed", "refused"]);
    expect(await list({ status: "refused" })).toEqual([row]);
    expect(await list({ status: "cancelled" })).toEqual([]);
    expect(await list({ status: "failed" })).toHaveLength(2);
    expect(await list({ status: "failed", kind: "request" })).toMatchObject([
      { error: "old", errorCode: null },
    ]);
    expect(await totalOf(apiKeyId)).toMatchObject({ requests: 5, failed: 2, refused: 1 });
  });

  it("has them too where the turns came in another order", async () => {
    const apiKeyId = uuidv7();
    const at = Date.now();
    const first = chat(["one"], "First.", { apiKeyId, startedAt: at });
    const refused = chat(["one", "First.", "two"], "odd", {
      apiKeyId,
      startedAt: at + 2000,
      ...REFUSAL,
    });
    await write(refused);
    await write(first);
    const { data } = await listConversations(opened.database, { limit: 50 }, { apiKeyId });
    expect(data).toMatchObject([
      {
        turnCount: 2,
        status: "refused",
        error: REFUSAL.error,
        errorCode: REFUSAL.errorCode,
      },
    ]);
    expect(data[0]?.statuses.toSorted()).toEqual(["completed", "refused"]);
  });
});

describe("numbers that no bill has", () => {
  it.each([
    [3e9, 3e9],
    [1_000_000.5, 1_000_001],
    [9e15, 9e15],
    [1e300, Number.MAX_SAFE_INTEGER],
    [Number.POSITIVE_INFINITY, Number.MAX_SAFE_INTEGER],
    [-5, 0],
  ])("are on record all the same: %s tokens", async (sent, kept) => {
    const usage = {
      prompt_tokens: sent,
      completion_tokens: 1,
      total_tokens: sent,
      cost: sent,
      prompt_tokens_details: { cached_tokens: sent },
    };
    const apiKeyId = uuidv7();
    const one = () =>
      chat(["hi"], "hello", { apiKeyId, rounds: [round({ usage })], isNamed: true });
    const { conversationId } = one();
    await write({ ...one(), conversationId });
    const found = await findConversation(opened.database, conversationId);
    expect(found).toMatchObject({ promptTokens: kept, tokensEstimated: sent !== kept });
    // As often as that: a sum ends at the highest count.
    for (let more = 0; more < 3; more++) await write({ ...one(), conversationId });
    const total = await totalOf(apiKeyId);
    expect(total?.requests).toBe(4);
    expect(total?.promptTokens).toBe(Math.min(kept * 4, Number.MAX_SAFE_INTEGER));
    const [again] = (await listConversations(opened.database, { limit: 5 }, { apiKeyId })).data;
    expect(again?.promptTokens).toBe(Math.min(kept * 4, Number.MAX_SAFE_INTEGER));
    expect(Number.isFinite(again?.cost ?? 0)).toBe(true);
  });
});

describe("conversations of before", () => {
  it("have the statuses, errors and failed tools that their turns had", async () => {
    const url = await server.createDatabase();
    const client = postgres(url, { max: 1, onnotice: () => {} });
    const folder = new URL("../../../drizzle/migrations/", import.meta.url);
    const apply = async (name: string) => {
      const statements = readFileSync(new URL(`${name}.sql`, folder), "utf8");
      for (const statement of statements.split("--> statement-breakpoint"))
        await client.unsafe(statement);
    };
    const { entries } = JSON.parse(readFileSync(new URL("meta/_journal.json", folder), "utf8")) as {
      entries: { tag: string }[];
    };
    const names = entries.map(({ tag }) => tag);
    const at = names.indexOf("0004_every_request_a_turn");
    for (const name of names.slice(0, at)) await apply(name);
    const [wavering, well] = [uuidv7(), uuidv7()];
    const insertTurn = async (id: string, status: string, minute: number, error: string | null) => {
      const turnId = uuidv7();
      await client`insert into turns (id, conversation_id, streamed, status, http_status, error,
          duration_ms, tools_offered, tools_shadowed, started_at, prompt_tokens)
        values (${turnId}, ${id}, false, ${status}, 200, ${error}, 5, '{}', '{}',
          ${new Date(Date.UTC(2026, 0, 1, 0, minute))}, 7)`;
      return turnId;
    };
    for (const id of [wavering, well])
      await client`insert into conversations (id, api_key_id, api_key_name, endpoint, status)
        values (${id}, ${uuidv7()}, 'key', '/v1/chat/completions', 'completed')`;
    await insertTurn(wavering, "completed", 1, null);
    await insertTurn(wavering, "failed", 2, "the first");
    const turnId = await insertTurn(wavering, "failed", 3, "the second");
    await insertTurn(wavering, "completed", 4, null);
    await insertTurn(well, "completed", 1, null);
    for (const [name, failed] of [
      ["broke", true],
      ["held", false],
    ] as const)
      await client`insert into tool_executions (id, conversation_id, turn_id, tool_id, tool_name,
          type, tool_call_id, round, failed, started_at, duration_ms)
        values (${uuidv7()}, ${wavering}, ${turnId}, ${uuidv7()}, ${name}, 'function', 'c', 1,
          ${failed}, now(), 1)`;
    for (const name of names.slice(at)) await apply(name);
    const columns = client`id, kind, statuses, error, error_code, tools_failed`;
    const rows = await client`select ${columns} from conversations order by statuses desc`;
    const common = { kind: "conversation", error_code: null };
    expect([...rows]).toEqual([
      {
        ...common,
        id: wavering,
        statuses: ["completed", "failed"],
        error: "the second",
        tools_failed: ["broke"],
      },
      { ...common, id: well, statuses: ["completed"], error: null, tools_failed: [] },
    ]);
    await client.end();
  });
});
