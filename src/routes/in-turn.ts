import type { Context } from "hono";
import { authenticate, type AuthenticatedKey } from "../auth/authenticate.ts";
import { openLimits, type KeyLimits } from "../limits/open-limits.ts";
import { ApiError } from "../openai/api-error.ts";
import { UpstreamRefusal } from "../openai/upstream-error.ts";
import type { RequestScope, UpstreamResponse } from "../platform.ts";
import { MAX_ERROR_BYTES } from "../stream/open-answer.ts";
import { nameConversation } from "../turn/name-conversation.ts";
import { openTurn } from "../turn/open-turn.ts";
import type { Turn } from "../turn/turn.ts";
import { writeResponse } from "../turn/write-response.ts";
import type { Mask } from "../secrets/mask.ts";
import { maskOf } from "../secrets/known-secrets.ts";
import { withoutBodyHeaders } from "../upstream/headers.ts";
import { maskedBytes } from "../upstream/mask-answer.ts";
import { renderError } from "./render-error.ts";

type ProxyContext = Context<{ Bindings: RequestScope }>;

/** What a route is given: whose request it is, and the turn that it is. */
export interface TurnRequest {
  context: ProxyContext;
  scope: RequestScope;
  request: Request;
  key: AuthenticatedKey;
  limits: KeyLimits;
  turn: Turn;
  /** How long the request has waited for its key, in milliseconds. */
  waitedMs: number;
}

/** What nobody hears any more, whatever else a client broke off by leaving. */
const CLIENT_GONE = new ApiError("bad_request", "The client went away before it was answered.");

/** An error inside of an answer that nobody reads to its end. */
const TOO_LARGE = new ApiError(
  "upstream_too_large",
  `The upstream API answered with an error of more than ${MAX_ERROR_BYTES} bytes.`,
);

const isTooLarge = ({ body }: UpstreamResponse): boolean =>
  body instanceof Uint8Array && body.byteLength > MAX_ERROR_BYTES;

/** As it was normalised before the route was chosen. */
const pathOf = ({ req }: ProxyContext): string => req.path;

/** An error that a turn ended with, as a response that names its request and its conversation. */
async function renderTurnError(
  scope: RequestScope,
  turn: Turn,
  error: unknown,
  mask: Mask,
): Promise<Response> {
  if (error instanceof UpstreamRefusal && !isTooLarge(error.response)) {
    const { body } = error.response;
    // One that came with a status of success was read as an answer, and looked at by nobody.
    const said = body instanceof Uint8Array ? maskedBytes(body, mask) : body;
    const headers =
      said === body ? error.response.headers : withoutBodyHeaders(error.response.headers);
    return writeResponse(scope, { ...error.response, headers, body: said }, turn.headers);
  }
  const own = error instanceof UpstreamRefusal ? TOO_LARGE : error;
  const rendered = renderError(own, scope.platform.logger, scope.requestId);
  // Our own sentence may quote what upstream said.
  const { status, headers } = rendered;
  const response = new Response(mask.text(await rendered.text()), { status, headers });
  response.headers.set("x-proxy-request-id", scope.requestId);
  for (const [name, value] of Object.entries(turn.headers)) response.headers.set(name, value);
  return response;
}

/**
 * A route of `/v1`: authenticates, opens a turn before anything can refuse the request, and ends it
 * by whatever the route throws. A request without a key that works (401) is no turn.
 */
export function inTurn(
  serve: (parts: TurnRequest) => Promise<Response>,
): (context: ProxyContext) => Promise<Response> {
  return async (context) => {
    const startedAt = Date.now();
    const since = performance.now();
    const scope = context.env;
    const request = context.req.raw;
    const key = await authenticate(scope, request.headers).catch((error: unknown) => {
      throw scope.refusal ?? error;
    });
    const waitedMs = performance.now() - since;
    const limits = openLimits(scope, key);
    const turn = openTurn(scope, { key, limits, endpoint: pathOf(context), startedAt });
    try {
      if (scope.refusal !== undefined) throw scope.refusal;
      nameConversation({ scope, turn, key }, request.headers);
      return await serve({ context, scope, request, key, limits, turn, waitedMs });
    } catch (error) {
      const isGone = scope.clientGone.aborted;
      await turn.endedBy(error, isGone);
      const isBroken = isGone && !(error instanceof UpstreamRefusal);
      const mask = maskOf(scope.platform, key.upstreamApiKey);
      return await renderTurnError(scope, turn, isBroken ? CLIENT_GONE : error, mask);
    }
  };
}
