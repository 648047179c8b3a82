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

/** As the audit log names one. Not its title: that is what was said. */
const nameOf = (apiKeyName: string) => `a conversation of ${apiKeyName}`;

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
      const { platform, clientAddress } = context.env;
      const { config, database } = platform;
      const id = idOf(context.req.param("id"), "conversation");
      const conversation = await findConversation(database, id);
      if (conversation === null) throw notFound("conversation");
      if (config.auditReads === "on")
        await recordAudit(database, {
          action: "conversation.read",
          clientAddress,
          target: { id, name: nameOf(conversation.apiKeyName) },
        });
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
        const { apiKeyName } = deleted;
        await recordAudit(transaction, {
          action: "conversation.delete",
          clientAddress,
          target: { id: deleted.id, name: nameOf(apiKeyName) },
          changes: { apiKeyName },
        });
      });
      return context.body(null, 204);
    },
  );

  return app;
}
