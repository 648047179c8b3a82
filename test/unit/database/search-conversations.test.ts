import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seedConversations } from "../../../bench/seed-conversations.ts";
import { connectPostgres } from "../../../src/node/database/connect-database.ts";
import { openDatabase } from "../../../src/node/database/open-database.ts";
import { ensureBodyPartitions } from "../../../src/store/body-partitions.ts";
import { listConversations } from "../../../src/store/conversations.ts";
import { startPostgres, type TestPostgres } from "../../helpers/postgres-server.ts";
import { memoryLogger } from "./memory-logger.ts";

const CONVERSATIONS = 4000;
const DAY_MS = 86_400_000;

let server: TestPostgres;
let opened: Awaited<ReturnType<typeof openDatabase>>;

beforeAll(async () => {
  server = await startPostgres();
  opened = await openDatabase(
    { databaseUrl: await server.createDatabase(), dataDir: "unused" },
    memoryLogger(),
  );
  await ensureBodyPartitions(opened.database, 14, new Date(Date.now() - 366 * DAY_MS));
  const client = connectPostgres(opened.connection, { max: 1 });
  await seedConversations(
    client,
    { conversations: CONVERSATIONS, withBodies: 100 },
    () => undefined,
  );
  await client.end();
});
afterAll(async () => {
  await opened.close();
  await server.stop();
});

async function searchAll(q: string): Promise<string[]> {
  const ids: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await listConversations(opened.database, { limit: 150, cursor }, { q });
    ids.push(...page.data.map(({ id }) => id));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return ids;
}

describe("a search among the conversations of a year", () => {
  it("finds all of them, newest first, page by page, though each page looks no further back than it has to", async () => {
    const rows = await opened.database.execute<{ id: string }>(
      sql`select id from conversations order by created_at desc, id desc`,
    );
    const found = await searchAll("ticket");
    expect(found).toHaveLength(CONVERSATIONS);
    expect(found).toEqual(rows.map(({ id }) => id));
  });

  it("finds one of long ago", async () => {
    expect(await searchAll("ticket17")).toHaveLength(111);
    expect(
      (await listConversations(opened.database, { limit: 10 }, { q: "the ticket1" })).data,
    ).toHaveLength(10);
    expect(await searchAll("Ticket 1 ")).toHaveLength(1111);
    expect(await searchAll("nosuchword")).toEqual([]);
  });

  it("never reads messages for their words when the index of words has them, however common a word is", async () => {
    for (const word of ["the", "ticket17"]) {
      const plan = await opened.database.execute<Record<string, string>>(
        sql`explain select conversation_id from message_bodies where message_search(content, tool_calls) @@ to_tsquery('simple', ${word}) and created_at > now() - interval '100 days'`,
      );
      const lines = plan.map((row) => Object.values(row)[0]).join("\n");
      expect(lines, word).toContain("message_search_idx");
    }
  });
});
