import { inputItems, pageOf, type ListQuery } from "../dialects/responses/input-items.ts";
import { isOwnResponseId } from "../dialects/responses/own-items.ts";
import { responsesDialect } from "../dialects/responses/responses-dialect.ts";
import { ApiError } from "../openai/api-error.ts";
import {
  deleteResponse,
  findResponseChain,
  type ChainedResponse,
} from "../store/kept-responses.ts";
import { writeResponse } from "../turn/write-response.ts";
import { callUpstream } from "../upstream/call-upstream.ts";
import { choosingOf, foreignDialect } from "../upstream/choose-dialect.ts";
import { pickUpstream } from "../upstream/pick-upstream.ts";
import { inTurn, type TurnRequest } from "./in-turn.ts";
import { passOn } from "./passthrough.ts";

/** A response of ours, and those that it goes on from; itself the last. */
type Chain = [...ChainedResponse[], ChainedResponse];

/** What is done with a response of ours; its answer as JSON text. */
type Serve = (parts: TurnRequest, chain: Chain) => Promise<string> | string;

const isChain = (rows: ChainedResponse[]): rows is Chain => rows.length > 0;

/**
 * A path below a response. One that we made stands for rounds that upstream has under other ids;
 * all others are upstream's.
 */
const ofResponse = (serve: Serve) =>
  inTurn(async (parts) => {
    const { context, scope, key, limits, turn } = parts;
    const id = context.req.param("id") ?? "";
    const { database } = scope.platform;
    const choosing = choosingOf(scope.platform, key, responsesDialect);
    const isOwn = isOwnResponseId(id);
    // An upstream of another dialect has none.
    const isElsewhere = !isOwn && foreignDialect(choosing) === null;
    if (isElsewhere) return passOn(parts);
    await limits.check();
    await limits.take();
    const chain = isOwn ? await findResponseChain(database, key.id, id) : [];
    if (!isChain(chain))
      throw new ApiError("not_found", `Response with id '${id}' not found.`, { param: "id" });
    const text = await serve(parts, chain);
    await turn.ended({ status: "completed", httpStatus: 200 });
    const headers = { "content-type": "application/json" };
    const body = new TextEncoder().encode(text);
    return writeResponse(scope, { status: 200, headers, body }, turn.headers);
  });

const lastOf = (chain: Chain): ChainedResponse => chain.at(-1) ?? chain[0];

/** `GET /v1/responses/:id` */
export const showResponse = ofResponse(({ request }, chain) => {
  if (new URL(request.url).searchParams.get("stream") === "true") {
    const message = "Only a response that was made in the background can be streamed again.";
    throw new ApiError("invalid_value", message, { param: "stream" });
  }
  return lastOf(chain).body;
});

/** Statuses of a round that is gone upstream. */
const GONE = new Set([200, 204, 404]);

/** `DELETE /v1/responses/:id`: upstream's rounds too, as far as it has them. */
export const removeResponse = ofResponse(async ({ scope, key, request }, chain) => {
  const { platform } = scope;
  const { id, upstreamIds } = lastOf(chain);
  const upstream = pickUpstream(platform.config, key);
  for (const round of upstreamIds) {
    const path = `/responses/${encodeURIComponent(round)}`;
    const call = { upstream, request, path, body: null, signal: scope.clientGone };
    const { status, body } = await callUpstream(platform, call);
    if (body instanceof ReadableStream) await body.cancel();
    if (!GONE.has(status)) {
      const message = `The upstream API answered with ${status}: the response is not deleted. Try again.`;
      throw new ApiError("upstream_unreachable", message);
    }
  }
  await deleteResponse(platform.database, key.id, id);
  return JSON.stringify({ id, object: "response", deleted: true });
});

/** `POST /v1/responses/:id/cancel` */
export const cancelResponse = ofResponse(() => {
  throw new ApiError("bad_request", "Cannot cancel a synchronous response.", { param: "id" });
});

const MAX_PAGE = 100;
const USUAL_PAGE = 20;

/** @throws ApiError 400 */
function listQueryOf(params: URLSearchParams): ListQuery {
  const limit = Number(params.get("limit") ?? USUAL_PAGE);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE) {
    const message = `limit must be a whole number from 1 to ${MAX_PAGE}.`;
    throw new ApiError("invalid_value", message, { param: "limit" });
  }
  return { limit, order: params.get("order") ?? "desc", after: params.get("after") };
}

/** `GET /v1/responses/:id/input_items` */
export const listInputItems = ofResponse(({ request }, chain) => {
  const query = listQueryOf(new URL(request.url).searchParams);
  return JSON.stringify(pageOf(inputItems(chain), query));
});
