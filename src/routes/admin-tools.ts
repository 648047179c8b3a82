import { Hono } from "hono";
import { z } from "zod";
import { forgetKeys } from "../auth/authenticate.ts";
import type { Platform, RequestScope } from "../platform.ts";
import { sealOf } from "../store/seal.ts";
import {
  createTool,
  deleteTool,
  findTool,
  listTools,
  updateTool,
  type StoredTool,
  type ToolColumns,
  type ToolWrite,
} from "../store/tools.ts";
import { checkTool, withoutOtherType, withTypeDefaults } from "../tools/check-tool.ts";
import { toolChanges } from "../tools/tool-changes.ts";
import { TOOL_TYPE_NAMES } from "../tools/tool-types.ts";
import { describeRoute } from "./describe-route.ts";
import { adminWrite } from "./admin-audit.ts";
import {
  expectJson,
  httpHeaders,
  httpUrl,
  idOf,
  jsonOf,
  notFound,
  pageQuery,
  plainText,
  queryOf,
} from "./admin-input.ts";
import { showTool } from "./show-tool.ts";

const TOOL = "tool";

const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const MAX_TIMEOUT_MS = 600_000;

const changeableFields = {
  description: plainText(20_000).optional(),
  parameters: z.record(z.string(), z.unknown(), "must be a JSON Schema of an object").optional(),
  implementation: plainText(500_000).nullish(),
  mcpServerCommand: plainText(10_000).trim().nullish(),
  mcpServerUrl: httpUrl().nullish(),
  mcpToolName: plainText(256).min(1, "must not be empty").nullish(),
  env: z
    .record(
      z.string().regex(ENV_NAME, "must be the name of an environment variable"),
      plainText(50_000),
    )
    .nullish(),
  mcpHeaders: httpHeaders().nullish(),
  mcpIsolation: z.enum(["key", "shared"], 'must be "key" or "shared"').optional(),
  timeoutMs: z.number().int().min(1).max(MAX_TIMEOUT_MS).nullish(),
  maxConcurrency: z.int().min(1).max(1000).nullish(),
  onMcpChange: z.enum(["keep", "disable"], 'must be "keep" or "disable"').optional(),
  isActive: z.boolean().optional(),
};
const name = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, "must be 1 to 64 letters, digits, _ or -");
const type = z.enum(
  TOOL_TYPE_NAMES,
  `must be ${TOOL_TYPE_NAMES.map((one) => `"${one}"`).join(" or ")}`,
);

const newToolBody = z.strictObject({ name, type, ...changeableFields });
const toolChangesBody = z.strictObject({
  name: name.optional(),
  type: type.optional(),
  ...changeableFields,
});

const toolsQuery = pageQuery.extend({
  changed: z.literal("true", 'must be "true", or be left out').optional(),
});

const DEFAULTS: Omit<ToolColumns, "name" | "type"> = {
  description: "",
  parameters: JSON.stringify({ type: "object", properties: {} }),
  implementation: null,
  mcpServerCommand: null,
  mcpServerUrl: null,
  mcpToolName: null,
  env: null,
  mcpHeaders: null,
  mcpIsolation: "key",
  timeoutMs: null,
  maxConcurrency: null,
  onMcpChange: "keep",
  isActive: true,
};

/** @returns null where nothing is left to be sealed; undefined where it was not given */
async function sealNames(
  platform: Platform,
  values: Record<string, string> | null | undefined,
): Promise<string | null | undefined> {
  if (values === undefined) return undefined;
  return values === null || Object.keys(values).length === 0
    ? null
    : sealOf(platform).seal(JSON.stringify(values));
}

/** The fields that were given, as columns: `parameters` as text, `env` and `mcpHeaders` sealed. */
async function toColumns(
  platform: Platform,
  { parameters, env, mcpHeaders, ...fields }: z.infer<typeof toolChangesBody>,
) {
  const columns = {
    ...fields,
    parameters: parameters === undefined ? undefined : JSON.stringify(parameters),
    env: await sealNames(platform, env),
    mcpHeaders: await sealNames(platform, mcpHeaders),
  };
  return Object.fromEntries(
    Object.entries(columns).filter(([, value]) => value !== undefined),
  ) as Partial<ToolColumns>;
}

/**
 * The columns that change when a body is applied to a stored tool.
 * @throws ApiError 400 where the result cannot be a tool
 */
async function changesOf(
  platform: Platform,
  stored: StoredTool,
  body: z.infer<typeof toolChangesBody>,
): Promise<Partial<ToolColumns>> {
  const isNewType = body.type !== undefined && body.type !== stored.type;
  const changes: Partial<ToolColumns> = {
    ...(isNewType ? withoutOtherType(body.type ?? stored.type) : {}),
    ...(await toColumns(platform, body)),
  };
  const merged = withTypeDefaults({ ...stored, ...changes });
  await checkTool(platform, merged);
  return { ...changes, mcpToolName: merged.mcpToolName };
}

const toolWrite = (scope: RequestScope): ToolWrite => ({
  ...adminWrite(scope),
  describe: toolChanges,
});

/** `/api/admin/tools`. */
export function adminTools(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();

  app.get(
    "/",
    describeRoute({ tag: "Tools", summary: "List tools", answer: "ToolPage" }),
    queryOf(toolsQuery),
    async (context) => {
      const { platform } = context.env;
      const { changed, ...page } = context.req.valid("query");
      const { data, nextCursor } = await listTools(platform.database, page, {
        isChanged: changed === "true",
      });
      return context.json({
        data: await Promise.all(data.map((tool) => showTool(platform, tool))),
        nextCursor,
      });
    },
  );

  app.post(
    "/",
    describeRoute({ tag: "Tools", summary: "Create a tool", answer: "Tool", status: 201 }),
    expectJson,
    jsonOf(newToolBody),
    async (context) => {
      const { platform } = context.env;
      const body = context.req.valid("json");
      const tool = withTypeDefaults({
        ...DEFAULTS,
        ...(await toColumns(platform, body)),
        name: body.name,
        type: body.type,
      });
      await checkTool(platform, tool);
      const created = await createTool(toolWrite(context.env), tool);
      forgetKeys(platform.memory);
      return context.json(await showTool(platform, created), 201);
    },
  );

  app.get(
    "/:id",
    describeRoute({ tag: "Tools", summary: "Read a tool", answer: "Tool" }),
    async (context) => {
      const tool = await findTool(
        context.env.platform.database,
        idOf(context.req.param("id"), TOOL),
      );
      if (tool === null) throw notFound(TOOL);
      return context.json(await showTool(context.env.platform, tool));
    },
  );

  app.patch(
    "/:id",
    describeRoute({ tag: "Tools", summary: "Change a tool", answer: "Tool" }),
    expectJson,
    jsonOf(toolChangesBody),
    async (context) => {
      const { platform } = context.env;
      const stored = await findTool(platform.database, idOf(context.req.param("id"), TOOL));
      if (stored === null) throw notFound(TOOL);
      const changes = await changesOf(platform, stored, context.req.valid("json"));
      const tool = await updateTool(toolWrite(context.env), stored.id, changes);
      if (tool === null) throw notFound(TOOL);
      forgetKeys(platform.memory);
      return context.json(await showTool(platform, tool));
    },
  );

  app.delete(
    "/:id",
    describeRoute({
      tag: "Tools",
      summary: "Delete a tool; what it did stays on record",
      answer: null,
      status: 204,
    }),
    async (context) => {
      const { platform } = context.env;
      if (!(await deleteTool(adminWrite(context.env), idOf(context.req.param("id"), TOOL))))
        throw notFound(TOOL);
      forgetKeys(platform.memory);
      return context.body(null, 204);
    },
  );

  return app;
}
