import type { AuthenticatedKey } from "../auth/authenticate.ts";
import { checkModel } from "../auth/check-model.ts";
import { ApiError } from "../openai/api-error.ts";
import { isObject, parseJson } from "../openai/json.ts";
import type { RequestScope, UpstreamRequest } from "../platform.ts";
import { readBody, type ReadBody } from "../stream/read-body.ts";
import { relayTurn } from "../turn/relay-turn.ts";
import { pickUpstream } from "../upstream/pick-upstream.ts";
import { inTurn } from "./in-turn.ts";

/**
 * Bodies up to this size are sent as bytes, which costs less; larger ones, and those of unknown
 * size, are streamed.
 */
const BUFFERED_BYTES = 64 * 1024;

/** Every `/v1` path that has no stage of its own: any method, any body, through and back untouched. */
export const passthrough = inTurn(async (parts) => {
  const { scope, request, key, limits, turn } = parts;
  await limits.check();
  const body = await passedBody(scope, request, key);
  await limits.take();
  const upstream = pickUpstream(scope.platform.config, key);
  if (body instanceof Uint8Array) turn.requested({ text: new TextDecoder().decode(body) });
  return relayTurn({ ...parts, upstream, body, headers: {}, keepsText: true, places: () => [] });
});

async function passedBody(
  scope: RequestScope,
  request: Request,
  key: AuthenticatedKey,
): Promise<UpstreamRequest["body"]> {
  if (key.allowedModels !== null) return checkedBody(scope, request, key);
  const length = request.headers.get("content-length");
  if (request.method === "GET" || request.method === "HEAD") return null;
  if (length !== null && Number(length) <= BUFFERED_BYTES)
    return length === "0" ? null : new Uint8Array(await request.arrayBuffer());
  return request.body;
}

/** Where the key may use some models only, the body has to be read to see which one it names. */
async function checkedBody(
  { platform }: RequestScope,
  request: Request,
  key: AuthenticatedKey,
): Promise<UpstreamRequest["body"]> {
  checkModel(key, new URL(request.url).searchParams.get("model"));
  if (request.body === null) return null;
  const body = await readBody(request, platform.config.maxBodyBytes);
  checkModel(key, await modelOf(body, request.headers.get("content-type") ?? ""));
  return body.bytes;
}

async function modelOf(body: ReadBody, contentType: string): Promise<string | null> {
  if (contentType.toLowerCase().startsWith("multipart/form-data")) {
    const form = await new Response(body.bytes, { headers: { "content-type": contentType } })
      .formData()
      .catch((error: unknown) => {
        throw new ApiError("bad_request", "The multipart body cannot be read.", { cause: error });
      });
    const model = form.get("model");
    return typeof model === "string" ? model : null;
  }
  const json = parseJson(await body.text());
  return isObject(json) && typeof json["model"] === "string" ? json["model"] : null;
}
