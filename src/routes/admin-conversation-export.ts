import { Hono } from "hono";
import type { RequestScope } from "../platform.ts";
import { findConversation, listConversations } from "../store/conversations.ts";
import type { ConversationFilter } from "../store/conversation-filter.ts";
import { recordAudit } from "../store/audit.ts";
import type { Database } from "../store/database.ts";
import { describeRoute } from "./describe-route.ts";
import { queryOf } from "./admin-input.ts";
import { exportQuery } from "./conversation-query.ts";

/** Rows of the list that are looked up at once. */
const PAGE_ROWS = 40;
/**
 * Conversations that are read at the same time, and held until the client has taken them: half of
 * the database's connections.
 */
const AT_ONCE = 4;

/** Ids of all conversations of a filter, newest first, a few at a time. */
async function* idsOf(database: Database, filter: ConversationFilter): AsyncGenerator<string[]> {
  let cursor: string | undefined;
  do {
    const { data, nextCursor } = await listConversations(
      database,
      { limit: PAGE_ROWS, cursor },
      filter,
    );
    for (let start = 0; start < data.length; start += AT_ONCE)
      yield data.slice(start, start + AT_ONCE).map(({ id }) => id);
    cursor = nextCursor ?? undefined;
  } while (cursor !== undefined);
}

/** One line for each conversation. One that was deleted meanwhile is left out. */
async function* linesOf(database: Database, filter: ConversationFilter): AsyncGenerator<string> {
  // An empty line first: the first page is read, and may fail, before the response begins.
  let isFirst = true;
  for await (const ids of idsOf(database, filter)) {
    if (isFirst) yield "";
    isFirst = false;
    for (const conversation of await Promise.all(ids.map((id) => findConversation(database, id)))) {
      if (conversation !== null) yield `${JSON.stringify(conversation)}\n`;
    }
  }
}

/** Reads a line only when the client has taken the one before, and stops with the client. */
function toStream(lines: AsyncGenerator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await lines.next();
        if (done === true) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      async cancel() {
        await lines.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

/**
 * `GET /export?…` → newline-delimited JSON: every conversation of a filter with all that belongs to
 * it, newest first.
 */
export function adminConversationExport(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();

  app.get(
    "/export",
    describeRoute({
      tag: "Conversations",
      summary: "Every conversation of a filter with all that belongs to it, one a line",
      answer: "ConversationDetail",
      contentType: "application/x-ndjson",
    }),
    queryOf(exportQuery),
    async (context) => {
      const { platform, clientAddress } = context.env;
      const filter = context.req.valid("query");
      await recordAudit(platform.database, {
        action: "conversation.export",
        clientAddress,
        // What was searched for may be what was said, which is not for this log to keep.
        changes: { ...filter, ...(filter.q === undefined ? {} : { q: "(set)" }) },
      });
      const lines = linesOf(platform.database, filter);
      await lines.next();
      return context.body(toStream(lines), 200, {
        "content-type": "application/x-ndjson; charset=utf-8",
        "content-disposition": 'attachment; filename="conversations.jsonl"',
      });
    },
  );

  return app;
}
