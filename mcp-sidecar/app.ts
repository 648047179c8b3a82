import { createHash, timingSafeEqual } from "node:crypto";
import { Hono, type Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import * as z from "zod";
import type { ServerDefinition } from "../src/tools/mcp/server-command.ts";
import type { Log } from "./log.ts";
import type { ServerRegistry } from "./server-registry.ts";
import { jsonRpcError, type Sessions } from "./sessions.ts";
import type { StdioServer } from "./stdio-server.ts";

/** Arguments of a tool call may hold a file, hardly more. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

const VARIABLE_NAME = /^[^=\0]+$/;

/** Not a record of Zod's, which leaves out a variable that is called `__proto__`. */
const isEnvironment = (value: unknown): boolean =>
  typeof value === "object" &&
  value !== null &&
  Object.entries(value).every(
    ([name, text]: [string, unknown]) =>
      VARIABLE_NAME.test(name) && typeof text === "string" && !text.includes("\0"),
  );

const Definition: z.ZodType<ServerDefinition> = z.strictObject({
  command: z.string(),
  args: z.array(z.string()).max(1_000),
  env: z.custom<Record<string, string>>(isEnvironment),
  owner: z.string().max(200),
});

interface SidecarParts {
  token: string;
  /** Where it listens. */
  host: string;
  /** Whether each MCP server is a user of its own. */
  hasUsers: boolean;
  registry: ServerRegistry;
  sessions: Sessions;
  log: Log;
}

/** An error in the shape that the proxy's own errors have. */
function fail(
  c: Context,
  status: ContentfulStatusCode,
  { code, message }: { code: string; message: string },
) {
  const type = status < 500 ? "invalid_request_error" : "server_error";
  return c.json({ error: { message, type, param: null, code } }, status);
}

const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[?::1\]?)$/;

/**
 * Whether a request may be a browser's that some page has sent here: one with an origin of its own,
 * or, where we listen for this machine alone, under a name that is not this machine's (DNS
 * rebinding).
 */
function isForeign(c: Context, host: string): boolean {
  const { host: named, hostname } = new URL(c.req.url);
  const origin = c.req.header("origin");
  if (origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== named))
    return true;
  return LOOPBACK.test(host) && !LOOPBACK.test(hostname);
}

const digest = (text: string) => createHash("sha256").update(text).digest();

/** What every request has to get past: the token, where it comes from, and how large it is. */
function guard(app: Hono, { token, host }: Pick<SidecarParts, "token" | "host">): void {
  const expected = digest(`Bearer ${token}`);
  app.use(async (c, next) => {
    // Digests have one length, so that the comparison tells nothing about the token, not even how
    // long it is.
    if (timingSafeEqual(digest(c.req.header("authorization") ?? ""), expected)) return next();
    const message =
      "The MCP sidecar needs the header `Authorization: Bearer …` with the value of MCP_SIDECAR_TOKEN.";
    return fail(c, 401, { code: "invalid_sidecar_token", message });
  });
  app.use(async (c, next) => {
    if (!isForeign(c, host)) return next();
    return fail(c, 403, {
      code: "foreign_origin",
      message: "The MCP sidecar serves no pages, and no requests for another host.",
    });
  });
  app.use(
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: (c) =>
        fail(c, 413, {
          code: "body_too_large",
          message: `The body is larger than ${MAX_BODY_BYTES} bytes.`,
        }),
    }),
  );
}

/** Every route of the sidecar. No request is served without the token. */
export function createSidecarApp(parts: SidecarParts): Hono {
  const { token, host, hasUsers, registry, sessions, log } = parts;
  const app = new Hono();
  guard(app, { token, host });

  const known = (
    c: Context,
    run: (server: StdioServer) => Promise<Response>,
  ): Promise<Response> | Response => {
    const server = registry.get(c.req.param("id") ?? "");
    return server
      ? run(server)
      : fail(c, 404, {
          code: "unknown_server",
          message: "No server has this id: define it with PUT, then try again.",
        });
  };

  app.get("/health", (c) =>
    c.json({ status: "ok", hasUsers, servers: registry.count(), sessions: sessions.size }),
  );
  app.get("/servers", (c) =>
    c.json({ servers: registry.list().map((server) => server.describe()) }),
  );
  app.put("/servers/:id", async (c) => {
    const definition = Definition.safeParse(await c.req.json().catch(() => null));
    if (!definition.success)
      return fail(c, 400, {
        code: "invalid_definition",
        message: `The definition is wrong: ${z.prettifyError(definition.error)}`,
      });
    try {
      return c.json((await registry.define(c.req.param("id"), definition.data)).describe());
    } catch (error) {
      return fail(c, 400, {
        code: "invalid_definition",
        message: error instanceof Error ? error.message : String(error),
      });
    }
  });
  app.post("/servers/:id/restart", (c) =>
    known(c, async (server) => {
      try {
        const others = registry
          .variantsOf(server.identity.id)
          .filter((other) => other !== server && other.state !== "stopped");
        await Promise.all([server, ...others].map((each) => each.restart()));
        return c.json(server.describe());
      } catch (error) {
        return fail(c, 502, {
          code: "server_failed",
          message: error instanceof Error ? error.message : String(error),
        });
      }
    }),
  );
  app.on(["POST", "GET", "DELETE"], "/servers/:id/mcp", (c) =>
    known(c, async (server) => {
      const body = c.req.method === "POST" ? parseBody(await c.req.text()) : undefined;
      if (body === null)
        return jsonRpcError(400, { code: -32700, message: "Parse error: the body is not JSON" });
      return sessions.handle(server, { request: c.req.raw, body });
    }),
  );
  app.notFound((c) =>
    fail(c, 404, {
      code: "not_found",
      message: `The MCP sidecar has no ${c.req.method} ${c.req.path}.`,
    }),
  );
  app.onError((error, c) => {
    log.error(
      { error: error.stack ?? String(error), path: c.req.path },
      "A request failed unexpectedly",
    );
    return fail(c, 500, {
      code: "internal_error",
      message: "The MCP sidecar made a mistake; its log says more.",
    });
  });
  return app;
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
