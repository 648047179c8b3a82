import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/postgres-js";
import { setTimeout as pause } from "node:timers/promises";
import { v7 as uuidv7 } from "uuid";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as schema from "../../../drizzle/schema.ts";
import { connectPostgres } from "../../../src/node/database/connect-database.ts";
import { openDatabase } from "../../../src/node/database/open-database.ts";
import {
  conversationCondition,
  isWanted,
  type ConversationFilter,
} from "../../../src/store/conversation-filter.ts";
import type { ConversationRow } from "../../../src/store/conversation-row.ts";
import { STATUSES } from "../../../drizzle/columns.ts";
import { endpointGroup } from "../../../src/record/endpoint-group.ts";
import { createLiveConversations } from "../../../src/store/live-conversations.ts";
import { startPostgres, type TestPostgres } from "../../helpers/postgres-server.ts";
import { memoryLogger } from "./memory-logger.ts";

let server: TestPostgres;
let opened: Awaited<ReturnType<typeof openDatabase>>;
let client: ReturnType<typeof connectPostgres>;
let queries = 0;

beforeAll(async () => {
  server = await startPostgres();
  opened = await openDatabase(
    { databaseUrl: await server.createDatabase(), dataDir: "unused" },
    memoryLogger(),
  );
  client = connectPostgres(opened.connection, { max: 2 });
});
afterAll(async () => {
  await client.end();
  await opened.close();
  await server.stop();
});

const counted = () => drizzle({ client, schema, logger: { logQuery: () => void queries++ } });
const failTest = (error: unknown) => {
  throw error;
};

const arrayOf = (names: string[]) => `{${names.map((name) => JSON.stringify(name)).join(",")}}`;

async function writeConversation(
  fields: {
    model?: string | null;
    status?: string;
    tools?: string[];
    toolsFailed?: string[];
    endpoint?: string;
    kind?: string;
    durationMs?: number;
    updatedAt?: Date;
  } = {},
) {
  const id = uuidv7();
  const {
    model = "m",
    status = "completed",
    tools = [],
    toolsFailed = [],
    endpoint = "/v1/chat/completions",
    kind = "conversation",
    durationMs = 5,
    updatedAt = new Date(),
  } = fields;
  await opened.database
    .execute(sql`insert into conversations (id, api_key_id, api_key_name, endpoint, kind, status, statuses, model, tools_used, tools_failed, duration_ms, updated_at)
    values (${id}, ${uuidv7()}, 'key', ${endpoint}, ${kind}, ${status}, array['completed', ${status}], ${model}, ${arrayOf(tools)}::text[], ${arrayOf(toolsFailed)}::text[], ${durationMs}, ${updatedAt.toISOString()}::timestamptz)`);
  return id;
}

describe("listening for conversations", () => {
  it("costs one query a second for however many listeners, and none when nobody listens", async () => {
    const live = createLiveConversations(counted(), failTest);
    await pause(1200);
    expect(queries).toBe(0);
    const stops = await Promise.all(Array.from({ length: 20 }, () => live.listen(() => undefined)));
    const before = queries;
    await pause(3300);
    expect(queries - before).toBeGreaterThanOrEqual(2);
    expect(queries - before).toBeLessThanOrEqual(3);
    for (const stop of stops) stop();
    await pause(1100);
    const after = queries;
    await pause(1500);
    expect(queries).toBe(after);
  });

  it("tells of what is written late, with a time that is past", async () => {
    const live = createLiveConversations(counted(), failTest);
    const seen: string[] = [];
    const stop = await live.listen((rows) => seen.push(...rows.map(({ id }) => id)));
    const first = await writeConversation();
    await expect.poll(() => seen, { timeout: 5000 }).toEqual([first]);
    const late = await writeConversation({ updatedAt: new Date(Date.now() - 8000) });
    await expect.poll(() => seen, { timeout: 5000 }).toEqual([first, late]);
    stop();
  });
});

const ENDPOINTS = [
  "/v1/files",
  "/v1/files/file-1",
  "/v1/files/file-1/content",
  "/v1/files/file-1/content/more",
  "/v1/models/meta-llama/Llama-3.3-70B",
  "/v1/threads/runs",
  "/v1/threads/thread_1",
  "/v1/made/up",
  "/v1/made_up",
  "/v1/fine_tuning/jobs/ftjob-1",
];

describe("a filter of rows at hand", () => {
  it("wants the rows that the same filter finds in the database", async () => {
    await opened.database.execute(sql`delete from conversations`);
    await writeConversation({ model: "a", tools: ["x"], durationMs: 10 });
    await writeConversation({ model: "a", status: "failed", tools: ["x", 'y"z'], durationMs: 20 });
    await writeConversation({ model: "b", durationMs: 20 });
    await writeConversation({ status: "refused", tools: ["x"], toolsFailed: ["x"] });
    await writeConversation({ status: "cancelled", tools: ["x", "y"], toolsFailed: ["y"] });
    for (const endpoint of ENDPOINTS) await writeConversation({ endpoint, kind: "request" });
    await writeConversation({ model: null });
    const all = await opened.database.select().from(schema.conversations);
    const filters: ConversationFilter[] = [
      {},
      { model: "a" },
      { model: "" },
      { status: "failed" },
      { tool: "x" },
      { tool: 'y"z' },
      { tool: "y" },
      { minDurationMs: 20 },
      { endpoint: all[0]?.endpoint },
      { endpoint: "/mcp" },
      ...[...ENDPOINTS, ...ENDPOINTS.map(endpointGroup)].map((endpoint) => ({ endpoint })),
      ...STATUSES.map((status) => ({ status })),
      { toolStatus: "failed" },
      { toolStatus: "failed", tool: "x" },
      { toolStatus: "failed", tool: "y", status: "cancelled" },
      { toolStatus: "failed", tool: "none" },
      { kind: "request" },
      { kind: "conversation", status: "failed" },
      { apiKeyId: all[0]?.apiKeyId },
      { model: "a", minDurationMs: 11 },
    ];
    const ids = (rows: ConversationRow[]) => rows.map(({ id }) => id).toSorted();
    for (const filter of filters) {
      const found = await opened.database
        .select()
        .from(schema.conversations)
        .where(conversationCondition(filter));
      expect(ids(all.filter((row) => isWanted(row, filter))), JSON.stringify(filter)).toEqual(
        ids(found),
      );
    }
  });
});
