import { Hono } from "hono";
import { z } from "zod";
import type { RequestScope } from "../platform.ts";
import { AUDIT_ACTIONS, listAudit, type AdminWrite } from "../store/audit.ts";
import { describeRoute } from "./describe-route.ts";
import { pageQuery, plainText, queryOf } from "./admin-input.ts";

const auditQuery = pageQuery.extend({
  action: z.enum(AUDIT_ACTIONS, `must be one of ${AUDIT_ACTIONS.join(", ")}`).optional(),
  targetId: plainText(200).optional(),
});

/** What the store needs to change something and say who did. */
export function adminWrite({ platform, clientAddress }: RequestScope): AdminWrite {
  return { database: platform.database, clientAddress };
}

/** `/api/admin/audit`: what operators changed, newest first. */
export function adminAudit(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();
  app.get(
    "/",
    describeRoute({
      tag: "Operation",
      summary: "What operators changed, newest first",
      answer: "AuditPage",
    }),
    queryOf(auditQuery),
    async (context) => {
      const { action, targetId, ...page } = context.req.valid("query");
      return context.json(
        await listAudit(context.env.platform.database, page, { action, targetId }),
      );
    },
  );
  return app;
}
