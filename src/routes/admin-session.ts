import { Hono, type Context } from "hono";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { createMiddleware } from "hono/factory";
import { z } from "zod";
import {
  DEVICE_SECONDS,
  findSession,
  makeDevice,
  requireSession,
  SESSION_SECONDS,
  signIn,
} from "../auth/admin-session.ts";
import { endSession, hasSessionEnded } from "../auth/session-end.ts";
import { ApiError } from "../openai/api-error.ts";
import type { RequestScope } from "../platform.ts";
import { recordAudit, type AuditAction } from "../store/audit.ts";
import { describeError } from "../store/describe-error.ts";
import { withinLimit } from "../store/within-limit.ts";
import { describeRoute } from "./describe-route.ts";
import { expectJson, jsonOf } from "./admin-input.ts";
import { requireSameOrigin } from "./same-origin.ts";

type AdminContext = Context<{ Bindings: RequestScope }>;

/** How long a sign-in can wait for its place on record, in milliseconds. */
const DATABASE_LIMIT_MS = 2500;

const COOKIE = "admin_session";
/** By which a browser is known when somebody signs in again. It opens nothing. */
const DEVICE_COOKIE = "admin_device";
/** Where a session begins and ends, so that none is needed. */
const OPEN_ROUTES = new Set(["POST /api/admin/login", "POST /api/admin/logout"]);

const loginBody = z.strictObject({ password: z.string().max(1000) });

/** As the browser sees it: a proxy in front says so where it speaks https and we do not. */
function isHttps(context: AdminContext): boolean {
  const forwarded = context.req.header("x-forwarded-proto")?.split(",")[0]?.trim();
  return (forwarded ?? new URL(context.req.url).protocol.replace(":", "")) === "https";
}

const cookieRules = (context: AdminContext) => ({
  path: "/",
  httpOnly: true,
  sameSite: "Strict" as const,
  secure: isHttps(context),
});

function bearerToken(context: AdminContext): string | null {
  const header = context.req.header("authorization");
  if (header === undefined) return null;
  return /^Bearer +(\S+)\s*$/i.exec(header)?.[1] ?? "";
}

/** What is shown as proof of a session, or null. */
const sessionToken = (context: AdminContext) =>
  bearerToken(context) ?? getCookie(context, COOKIE) ?? null;

/**
 * Lets only the operator through: by `Authorization: Bearer`, or by the page's cookie.
 * @throws ApiError 401 without a session, 403 where another origin uses the cookie
 */
export const requireAdmin = createMiddleware<{ Bindings: RequestScope }>(async (context, next) => {
  if (!OPEN_ROUTES.has(`${context.req.method} ${context.req.path}`)) {
    await requireSession(context.env.platform, sessionToken(context));
    if (bearerToken(context) === null) requireSameOrigin(context);
  }
  await next();
});

/** Answers for the operator, refusals among them, are nobody's to keep, to frame or to embed. */
const OPERATOR_HEADERS = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
};

/** Says so on every answer of the admin API. */
export const forOperatorsEyes = createMiddleware(async (context, next) => {
  await next();
  for (const [name, value] of Object.entries(OPERATOR_HEADERS))
    context.res.headers.set(name, value);
});

/** Whether a request that anybody may make was made by the operator. */
export async function isOperator(context: AdminContext): Promise<boolean> {
  const { platform } = context.env;
  const session = await findSession(platform, sessionToken(context) ?? "");
  return session !== null && !(await hasSessionEnded(platform, session.id));
}

/**
 * Whether a request for a model is the operator's own, who watches the tools run:
 * `x-proxy-tool-events: 1`, sent by the page with its cookie beside the key. What tools are asked
 * and answer is nobody else's to see.
 * @throws ApiError 401 where it is asked for without the operator's session
 */
export async function watchesTools(context: AdminContext): Promise<boolean> {
  if (context.req.header("x-proxy-tool-events") !== "1") return false;
  await requireSession(context.env.platform, getCookie(context, COOKIE) ?? null);
  requireSameOrigin(context);
  return true;
}

/**
 * Puts a sign-in, or its end, on record. The operator must get in without the database, too: to see
 * that it is away.
 */
async function noteAttempt(
  { platform, clientAddress }: RequestScope,
  action: AuditAction,
): Promise<void> {
  try {
    await withinLimit(recordAudit(platform.database, { action, clientAddress }), DATABASE_LIMIT_MS);
  } catch (error) {
    platform.logger.warn("A sign-in or sign-out could not be put on record", {
      action,
      clientAddress,
      error: describeError(error),
    });
  }
}

/**
 * `POST login {password}` → `{token, expiresAt}` and the page's cookie; `POST logout` → 204, no
 * cookie, and a token that is of no use any more.
 */
export function adminSession(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();

  app.post(
    "/login",
    describeRoute({
      tag: "Session",
      summary: "Sign in: a token, the page's cookie, and one by which the browser is known again",
      answer: "Session",
      isOpen: true,
    }),
    expectJson,
    jsonOf(loginBody),
    async (context) => {
      requireSameOrigin(context);
      const { platform, clientAddress, waitUntil } = context.env;
      const device = getCookie(context, DEVICE_COOKIE) ?? null;
      const attempt = {
        address: clientAddress,
        device,
        password: context.req.valid("json").password,
        onHeldUp: () => waitUntil(noteAttempt(context.env, "session.throttled")),
      };
      const { token, expiresAt } = await signIn(platform, attempt).catch(async (error: unknown) => {
        if (error instanceof ApiError && error.body.error.code === "wrong_password")
          await noteAttempt(context.env, "session.refused");
        throw error;
      });
      await noteAttempt(context.env, "session.sign_in");
      const rules = cookieRules(context);
      setCookie(context, COOKIE, token, { ...rules, maxAge: SESSION_SECONDS });
      const known = { ...rules, path: context.req.path, maxAge: DEVICE_SECONDS };
      setCookie(context, DEVICE_COOKIE, await makeDevice(platform), known);
      return context.json({ token, expiresAt });
    },
  );

  app.post(
    "/logout",
    describeRoute({
      tag: "Session",
      summary: "Sign out: ends the session of the token or cookie, and takes the cookie away",
      answer: null,
      status: 204,
      isOpen: true,
    }),
    async (context) => {
      if (bearerToken(context) === null) requireSameOrigin(context);
      const session = await findSession(context.env.platform, sessionToken(context) ?? "");
      if (session !== null) {
        await endSession(context.env.platform, session);
        await noteAttempt(context.env, "session.sign_out");
      }
      deleteCookie(context, COOKIE, cookieRules(context));
      return context.body(null, 204);
    },
  );

  return app;
}
