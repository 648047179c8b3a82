import { Hono } from "hono";
import { z } from "zod";
import { createApiKey } from "../auth/api-key-format.ts";
import { forgetKeys } from "../auth/authenticate.ts";
import type { Platform, RequestScope } from "../platform.ts";
import { assignTool, createKey, deleteKey, findKey, listKeys, unassignTool, updateKey, type KeyChanges } from "../store/keys.ts";
import { sealOf } from "../store/seal.ts";
import { expectJson, httpUrl, idOf, jsonOf, notFound, pageQuery, plainText, queryOf } from "./admin-input.ts";

const KEY = "API key";
const TOOL = "tool";

const toolIds = z.array(z.string().max(100)).max(1000);

/** ISO 8601 with an offset: without one, a time would mean something else on each machine. */
const moment = z.iso
  .datetime({ offset: true, error: "must be an ISO 8601 time with an offset, like 2027-01-31T23:59:59Z" })
  .transform((text) => new Date(text));

const keyFields = {
  name: plainText(200).trim().min(1, "must not be empty"),
  isActive: z.boolean().optional(),
  toolIds: toolIds.optional(),
  expiresAt: moment.nullish(),
  openaiApiKey: z
    .string()
    .trim()
    .max(1000)
    .regex(/^[\x21-\x7e]+$/, "must be ASCII characters without spaces")
    .nullish(),
  openaiBaseUrl: httpUrl()
    .transform((text) => text.replace(/\/+$/, ""))
    .nullish(),
  allowedModels: z.array(plainText(200).trim().min(1, "must not be empty")).max(1000).nullish(),
  toolMemory: z.boolean().optional(),
  toolMaxRounds: z.int().min(1).max(100).nullish(),
};

const newKeyBody = z.strictObject(keyFields);
const keyChangesBody = z.strictObject({ ...keyFields, name: keyFields.name.optional() });
const toolIdsBody = z.strictObject({ toolIds });

/** The upstream key is sealed here, so that the store never sees it. */
async function sealUpstreamKey<Fields extends KeyChanges>(platform: Platform, fields: Fields): Promise<Fields> {
  const { openaiApiKey } = fields;
  return typeof openaiApiKey === "string" ? { ...fields, openaiApiKey: await sealOf(platform).seal(openaiApiKey) } : fields;
}

/** `/api/admin/api-keys` and each key's `/tools`. */
export function adminKeys(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();

  app.get("/", queryOf(pageQuery), async (context) =>
    context.json(await listKeys(context.env.platform.database, context.req.valid("query"))),
  );

  app.post("/", expectJson, jsonOf(newKeyBody), async (context) => {
    const { platform } = context.env;
    const { key, ...identity } = await createApiKey();
    const fields = await sealUpstreamKey(platform, context.req.valid("json"));
    const created = await createKey(platform.database, { ...fields, ...identity });
    forgetKeys(platform.memory);
    const { id, ...rest } = created;
    return context.json({ id, key, ...rest }, 201);
  });

  app.get("/:id", async (context) => {
    const key = await findKey(context.env.platform.database, idOf(context.req.param("id"), KEY));
    if (key === null) throw notFound(KEY);
    return context.json(key);
  });

  app.patch("/:id", expectJson, jsonOf(keyChangesBody), async (context) => {
    const { platform } = context.env;
    const changes = await sealUpstreamKey(platform, context.req.valid("json"));
    const key = await updateKey(platform.database, idOf(context.req.param("id"), KEY), changes);
    if (key === null) throw notFound(KEY);
    forgetKeys(platform.memory);
    return context.json(key);
  });

  app.delete("/:id", async (context) => {
    const { platform } = context.env;
    if (!(await deleteKey(platform.database, idOf(context.req.param("id"), KEY)))) throw notFound(KEY);
    forgetKeys(platform.memory);
    return context.body(null, 204);
  });

  return app.route("/:id/tools", toolsOfKey());
}

/** Which tools a key has: all at once, or one at a time. */
function toolsOfKey(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();
  const keyId = (text: string | undefined) => idOf(text ?? "", KEY);

  app.get("/", async (context) => {
    const key = await findKey(context.env.platform.database, keyId(context.req.param("id")));
    if (key === null) throw notFound(KEY);
    return context.json({ toolIds: key.toolIds });
  });

  app.put("/", expectJson, jsonOf(toolIdsBody), async (context) => {
    const { platform } = context.env;
    const key = await updateKey(platform.database, keyId(context.req.param("id")), context.req.valid("json"));
    if (key === null) throw notFound(KEY);
    forgetKeys(platform.memory);
    return context.json({ toolIds: key.toolIds });
  });

  app.put("/:toolId", async (context) => {
    const { platform } = context.env;
    const key = await assignTool(platform.database, {
      keyId: keyId(context.req.param("id")),
      toolId: idOf(context.req.param("toolId"), TOOL),
    });
    if (key === null) throw notFound(`${KEY} or ${TOOL}`);
    forgetKeys(platform.memory);
    return context.json({ toolIds: key.toolIds });
  });

  app.delete("/:toolId", async (context) => {
    const { platform } = context.env;
    const assignment = { keyId: keyId(context.req.param("id")), toolId: idOf(context.req.param("toolId"), TOOL) };
    if (!(await unassignTool(platform.database, assignment))) throw notFound(`${TOOL} of this ${KEY}`);
    forgetKeys(platform.memory);
    return context.body(null, 204);
  });

  return app;
}
