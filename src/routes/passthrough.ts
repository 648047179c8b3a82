import type { Context } from "hono";
import { authenticate, type AuthenticatedKey } from "../auth/authenticate.ts";
import { checkLimits } from "../auth/check-limits.ts";
import { checkModels, mustReadBody } from "../auth/check-model.ts";
import type { RequestScope, UpstreamRequest } from "../platform.ts";
import { readBody } from "../stream/read-body.ts";
import { callUpstream } from "../upstream/call-upstream.ts";
import { pickUpstream } from "../upstream/pick-upstream.ts";
import { judgedRequest } from "./judged-request.ts";
import { writeResponse } from "./write-response.ts";

/**
 * Bodies up to this size are sent as bytes, which costs less; larger ones, and those of unknown
 * size, are streamed.
 */
const BUFFERED_BYTES = 64 * 1024;

/**
 * Every `/v1` path that has no stage of its own: any method, any body, through and back untouched.
 */
export async function passthrough(context: Context<{ Bindings: RequestScope }>): Promise<Response> {
  const [scope, request] = [context.env, context.req.raw];
  const key = await authenticate(scope, request.headers);
  await checkLimits(scope, key);
  const upstream = pickUpstream(scope.platform.config, key);
  const body = await passedBody(scope, request, key);
  const untilAnswered = new AbortController();
  const cancel = () => untilAnswered.abort();
  scope.clientGone.addEventListener("abort", cancel);
  const response = await callUpstream(scope.platform, {
    upstream,
    request,
    body,
    signal: untilAnswered.signal,
  });
  // From here on a client that leaves cancels the body that it was reading, which ends quietly
  // where a signal would not.
  scope.clientGone.removeEventListener("abort", cancel);
  return writeResponse(scope, response);
}

async function passedBody(
  { platform }: RequestScope,
  request: Request,
  key: AuthenticatedKey,
): Promise<UpstreamRequest["body"]> {
  const judged = judgedRequest(request);
  if (mustReadBody(key, judged)) {
    const body =
      request.body === null ? null : await readBody(request, platform.config.maxBodyBytes);
    await checkModels(key, judged, body);
    return body?.bytes ?? null;
  }
  await checkModels(key, judged, null);
  const length = request.headers.get("content-length");
  if (request.method === "GET" || request.method === "HEAD") return null;
  if (length !== null && Number(length) <= BUFFERED_BYTES)
    return length === "0" ? null : new Uint8Array(await request.arrayBuffer());
  return request.body;
}
