import { Hono } from "hono";
import type { RequestScope } from "../platform.ts";
import { findConversation, listConversations } from "../store/conversations.ts";
import { recordAudit } from "../store/audit.ts";
import { inTransaction } from "../store/database-error.ts";
import { deleteConversation } from "../store/delete-conversation.ts";
import { describeRoute } from "./describe-route.ts";
import { adminConversationExport } from "./admin-conversation-export.ts";
import { idOf, notFound, queryOf } from "./admin-input.ts";
import { adminLive } from "./admin-live.ts";
import { listQuery } from "./conversation-query.ts";

/** `/api/admin/conversations`: the list, without bodies, the detail, the export, the live tail. */
export function adminConversations(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();

  app.get(
    "/",
    describeRoute({
      tag: "Conversations",
      summary: "List conversations, newest first, without bodies",
      answer: "ConversationPage",
    }),
    queryOf(listQuery),
    async (context) => {
      const { limit, cursor, ...filter } = context.req.valid("query");
      return context.json(
        await listConversations(context.env.platform.database, { limit, cursor }, filter),
      );
    },
  );

  // Before the routes of one conversation, whose ids they are not.
  app.route("/", adminConversationExport());
  app.route("/", adminLive());

  app.get(
    "/:id",
    describeRoute({
      tag: "Conversations",
      summary: "Read a conversation",
      answer: "ConversationDetail",
    }),
    async (context) => {
      const conversation = await findConversation(
        context.env.platform.database,
        idOf(context.req.param("id"), "conversation"),
      );
      if (conversation === null) throw notFound("conversation");
      return context.json(conversation);
    },
  );

  app.delete(
    "/:id",
    describeRoute({
      tag: "Conversations",
      summary: "Delete a conversation",
      answer: null,
      status: 204,
    }),
    async (context) => {
      const id = idOf(context.req.param("id"), "conversation");
      const { platform, clientAddress } = context.env;
      await inTransaction(platform.database, async (transaction) => {
        const deleted = await deleteConversation(transaction, id);
        if (deleted === null) throw notFound("conversation");
        // Not its title: that is what was said.
        const { apiKeyName } = deleted;
        await recordAudit(transaction, {
          action: "conversation.delete",
          clientAddress,
          target: { id: deleted.id, name: `a conversation of ${apiKeyName}` },
          changes: { apiKeyName },
        });
      });
      return context.body(null, 204);
    },
  );

  return app;
}
