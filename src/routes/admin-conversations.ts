import { Hono } from "hono";
import { z } from "zod";
import type { RequestScope } from "../platform.ts";
import { findConversation, listConversations } from "../store/conversations.ts";
import { isUuid } from "../store/uuid.ts";
import { idOf, notFound, pageQuery, queryOf } from "./admin-input.ts";

const conversationsQuery = pageQuery.extend({ apiKeyId: z.string().refine(isUuid, "must be the id of an API key").optional() });

/** `/api/admin/conversations`: the list, without bodies, and the detail. */
export function adminConversations(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();

  app.get("/", queryOf(conversationsQuery), async (context) => {
    const { apiKeyId, ...page } = context.req.valid("query");
    return context.json(await listConversations(context.env.platform.database, page, { apiKeyId }));
  });

  app.get("/:id", async (context) => {
    const conversation = await findConversation(context.env.platform.database, idOf(context.req.param("id"), "conversation"));
    if (conversation === null) throw notFound("conversation");
    return context.json(conversation);
  });

  return app;
}
