import { Hono } from "hono";
import { z } from "zod";
import { createApiKey } from "../auth/api-key-format.ts";
import { forgetKeys } from "../auth/authenticate.ts";
import type { Platform, RequestScope } from "../platform.ts";
import {
  assignTool,
  createKey,
  deleteKey,
  findKey,
  replaceKeyTools,
  rotateKey,
  unassignTool,
  updateKey,
  type KeyChanges,
} from "../store/keys.ts";
import { KEY_SORTS, listKeys, type KeySort } from "../store/list-keys.ts";
import { sealOf } from "../store/seal.ts";
import { findToolsOfKey } from "../store/resolve-key.ts";
import { describeRoute } from "./describe-route.ts";
import { adminWrite } from "./admin-audit.ts";
import {
  expectJson,
  idOf,
  jsonOf,
  notFound,
  pageQuery,
  plainText,
  queryOf,
} from "./admin-input.ts";
import { keyChangesBody, newKeyBody, toolIds } from "./key-settings.ts";
import { previewTools } from "./preview-tools.ts";

const KEY = "API key";
const TOOL = "tool";

const DAY_SECONDS = 86_400;

const toolIdsBody = z.strictObject({ toolIds });
const rotationBody = z.strictObject({
  overlapSeconds: z
    .int()
    .min(0)
    .max(30 * DAY_SECONDS)
    .default(DAY_SECONDS),
});

const keysQuery = pageQuery.extend({
  q: plainText(200).trim().optional(),
  sort: z.enum(KEY_SORTS, `must be one of ${KEY_SORTS.join(", ")}`).default("createdAt"),
  order: z.enum(["asc", "desc"], 'must be "asc" or "desc"').optional(),
});

/**
 * What people want to see first: the newest, the most used, the most expensive; but A before Z, and
 * what expires soon.
 */
const USUAL_ORDER: Record<KeySort, "asc" | "desc"> = {
  createdAt: "desc",
  name: "asc",
  lastUsedAt: "desc",
  expiresAt: "asc",
  spend: "desc",
};

/** The upstream key is sealed here, so that the store never sees it. */
async function sealUpstreamKey<Fields extends KeyChanges>(
  platform: Platform,
  fields: Fields,
): Promise<Fields> {
  const { openaiApiKey } = fields;
  return typeof openaiApiKey === "string"
    ? { ...fields, openaiApiKey: await sealOf(platform).seal(openaiApiKey) }
    : fields;
}

/** `/api/admin/api-keys` and each key's `/tools`. */
export function adminKeys(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();

  app.get(
    "/",
    describeRoute({ tag: "Keys", summary: "List keys", answer: "KeyPage" }),
    queryOf(keysQuery),
    async (context) => {
      const query = context.req.valid("query");
      return context.json(
        await listKeys(context.env.platform.database, {
          ...query,
          order: query.order ?? USUAL_ORDER[query.sort],
        }),
      );
    },
  );

  app.post(
    "/",
    describeRoute({
      tag: "Keys",
      summary: "Create a key; it is shown this once",
      answer: "NewKey",
      status: 201,
    }),
    expectJson,
    jsonOf(newKeyBody),
    async (context) => {
      const { platform } = context.env;
      const { key, ...identity } = await createApiKey();
      const fields = await sealUpstreamKey(platform, context.req.valid("json"));
      const { id, ...created } = await createKey(adminWrite(context.env), {
        ...fields,
        ...identity,
      });
      forgetKeys(platform.memory);
      return context.json({ id, key, ...created }, 201);
    },
  );

  app.get(
    "/:id",
    describeRoute({ tag: "Keys", summary: "Read a key", answer: "Key" }),
    async (context) => {
      const key = await findKey(context.env.platform.database, idOf(context.req.param("id"), KEY));
      if (key === null) throw notFound(KEY);
      return context.json(key);
    },
  );

  app.patch(
    "/:id",
    describeRoute({ tag: "Keys", summary: "Change a key", answer: "Key" }),
    expectJson,
    jsonOf(keyChangesBody),
    async (context) => {
      const { platform } = context.env;
      const changes = await sealUpstreamKey(platform, context.req.valid("json"));
      const key = await updateKey(
        adminWrite(context.env),
        idOf(context.req.param("id"), KEY),
        changes,
      );
      if (key === null) throw notFound(KEY);
      forgetKeys(platform.memory);
      return context.json(key);
    },
  );

  app.delete(
    "/:id",
    describeRoute({
      tag: "Keys",
      summary: "Delete a key; its conversations stay",
      answer: null,
      status: 204,
    }),
    async (context) => {
      if (!(await deleteKey(adminWrite(context.env), idOf(context.req.param("id"), KEY))))
        throw notFound(KEY);
      forgetKeys(context.env.platform.memory);
      return context.body(null, 204);
    },
  );

  app.post(
    "/:id/rotate",
    describeRoute({
      tag: "Keys",
      summary: "Replace a key; the old one is accepted for a while",
      answer: "NewKey",
    }),
    expectJson,
    jsonOf(rotationBody),
    async (context) => {
      const { key, ...identity } = await createApiKey();
      const rotation = { ...identity, ...context.req.valid("json") };
      const rotated = await rotateKey(
        adminWrite(context.env),
        idOf(context.req.param("id"), KEY),
        rotation,
      );
      if (rotated === null) throw notFound(KEY);
      forgetKeys(context.env.platform.memory);
      const { id, ...rest } = rotated;
      return context.json({ id, key, ...rest });
    },
  );

  app.get(
    "/:id/preview",
    describeRoute({
      tag: "Keys",
      summary: "What a model sees of the key's tools, and what that costs",
      answer: "KeyPreview",
    }),
    async (context) => {
      const { platform } = context.env;
      const tools = await findToolsOfKey(platform.database, idOf(context.req.param("id"), KEY));
      if (tools === null) throw notFound(KEY);
      return context.json(await previewTools(tools, platform.config.model));
    },
  );

  return app.route("/:id/tools", toolsOfKey());
}

/** Which tools a key has: all at once, or one at a time. */
function toolsOfKey(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();
  const keyId = (text: string | undefined) => idOf(text ?? "", KEY);

  app.get(
    "/",
    describeRoute({ tag: "Keys", summary: "List the key's tools", answer: "KeyTools" }),
    async (context) => {
      const key = await findKey(context.env.platform.database, keyId(context.req.param("id")));
      if (key === null) throw notFound(KEY);
      return context.json({ toolIds: key.toolIds });
    },
  );

  app.put(
    "/",
    describeRoute({ tag: "Keys", summary: "Replace the key's tools", answer: "KeyTools" }),
    expectJson,
    jsonOf(toolIdsBody),
    async (context) => {
      const { toolIds } = context.req.valid("json");
      const replaced = await replaceKeyTools(
        adminWrite(context.env),
        keyId(context.req.param("id")),
        toolIds,
      );
      if (replaced === null) throw notFound(KEY);
      forgetKeys(context.env.platform.memory);
      return context.json({ toolIds: replaced });
    },
  );

  app.put(
    "/:toolId",
    describeRoute({ tag: "Keys", summary: "Assign a tool", answer: "KeyTools" }),
    async (context) => {
      const assignment = {
        keyId: keyId(context.req.param("id")),
        toolId: idOf(context.req.param("toolId"), TOOL),
      };
      const assigned = await assignTool(adminWrite(context.env), assignment);
      if (assigned === null) throw notFound(`${KEY} or ${TOOL}`);
      forgetKeys(context.env.platform.memory);
      return context.json({ toolIds: assigned });
    },
  );

  app.delete(
    "/:toolId",
    describeRoute({ tag: "Keys", summary: "Take a tool away", answer: null, status: 204 }),
    async (context) => {
      const assignment = {
        keyId: keyId(context.req.param("id")),
        toolId: idOf(context.req.param("toolId"), TOOL),
      };
      if (!(await unassignTool(adminWrite(context.env), assignment)))
        throw notFound(`${TOOL} of this ${KEY}`);
      forgetKeys(context.env.platform.memory);
      return context.body(null, 204);
    },
  );

  return app;
}
