import { Hono } from "hono";
import { z } from "zod";
import { forgetKeys } from "../auth/authenticate.ts";
import { ApiError } from "../openai/api-error.ts";
import type { RequestScope } from "../platform.ts";
import { recordAudit } from "../store/audit.ts";
import { settleToolChange } from "../store/tool-drift.ts";
import { findTool } from "../store/tools.ts";
import { OPERATOR } from "../tools/call-tool.ts";
import { checkMcpServer } from "../tools/drift/check-mcp-server.ts";
import { checkTool } from "../tools/check-tool.ts";
import { settleChange, settledChanges } from "../tools/drift/tool-drift.ts";
import { describeRoute } from "./describe-route.ts";
import { adminWrite } from "./admin-audit.ts";
import { expectJson, idOf, jsonOf, moment, notFound } from "./admin-input.ts";
import { showTool } from "./show-tool.ts";
import { TOOL_TYPES } from "../tools/tool-types.ts";

const TOOL = "tool";
/** A first `npx` or `uvx` downloads its package. */
const CHECK_LIMIT_MS = 75_000;

const changeBody = z.strictObject({
  action: z.enum(["approve", "dismiss"], 'must be "approve" or "dismiss"'),
  mcpChangedAt: moment.optional().meta({
    description: "Of the change that was looked at: another one is not decided about, but a 409",
  }),
});

/**
 * `POST /:id/check` → the tool, after its MCP server was asked what it offers; `POST /:id/change` →
 * the tool, after the change that waits was approved or dismissed.
 */
export function adminToolChanges(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();

  app.post(
    "/:id/check",
    describeRoute({
      tag: "Tools",
      summary: "Ask a tool's MCP server whether it still offers what was approved",
      answer: "Tool",
    }),
    async (context) => {
      const { platform, clientAddress, clientGone } = context.env;
      const tool = await findTool(platform.database, idOf(context.req.param("id"), TOOL));
      if (tool === null) throw notFound(TOOL);
      if (!TOOL_TYPES[tool.type].isAtServer)
        throw new ApiError(
          "bad_request",
          "This tool is a function: it has no MCP server that could change it.",
        );
      await recordAudit(platform.database, {
        action: "tool.check",
        clientAddress,
        target: { id: tool.id, name: tool.name },
      });
      const check = {
        tool,
        owner: OPERATOR,
        signal: clientGone,
        timeoutMs: CHECK_LIMIT_MS,
        notedEveryMs: 0,
      };
      const { isOfferChanged } = await checkMcpServer(platform, check);
      if (isOfferChanged) forgetKeys(platform.memory);
      const checked = await findTool(platform.database, tool.id);
      if (checked === null) throw notFound(TOOL);
      return context.json(await showTool(platform, checked));
    },
  );

  app.post(
    "/:id/change",
    describeRoute({
      tag: "Tools",
      summary: "Approve or dismiss a change that waits",
      answer: "Tool",
    }),
    expectJson,
    jsonOf(changeBody),
    async (context) => {
      const { platform } = context.env;
      const body = context.req.valid("json");
      const { action } = body;
      const tool = await settleToolChange(
        {
          ...adminWrite(context.env),
          describe: (before, after) =>
            before === null ? {} : settledChanges(before, after, action),
        },
        idOf(context.req.param("id"), TOOL),
        {
          action,
          settle: async (before) => {
            const columns = settleChange(before, body);
            if (columns.parameters !== undefined)
              await checkTool(platform, { ...before, ...columns });
            return columns;
          },
        },
      );
      if (tool === null) throw notFound(TOOL);
      forgetKeys(platform.memory);
      return context.json(await showTool(platform, tool));
    },
  );

  return app;
}
