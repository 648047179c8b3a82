import { inputItems, pageOf, type ListQuery } from "../dialects/responses/input-items.ts";
import { isOwnResponseId } from "../dialects/responses/own-items.ts";
import { responsesDialect } from "../dialects/responses/responses-dialect.ts";
import { ApiError } from "../openai/api-error.ts";
import { deleteBackground } from "../store/background-responses.ts";
import {
  deleteResponse,
  findResponseChain,
  type ChainedResponse,
} from "../store/kept-responses.ts";
import { responseIn } from "../turn/background-state.ts";
import { findBackgroundChain, isUnfinished, stopBackground } from "../turn/background-stored.ts";
import { writeResponse } from "../turn/write-response.ts";
import { callUpstream } from "../upstream/call-upstream.ts";
import { choosingOf, foreignDialect } from "../upstream/choose-dialect.ts";
import { pickUpstream } from "../upstream/pick-upstream.ts";
import { inTurn, type TurnRequest } from "./in-turn.ts";
import { passOn } from "./passthrough.ts";
import { streamBackground } from "./stream-background.ts";

/** A response of ours, and those that it goes on from; itself the last. */
type Chain = [...ChainedResponse[], ChainedResponse];

/** What is done with a response of ours; its answer, where that is JSON as a text. */
type Serve = (parts: TurnRequest, chain: Chain) => Promise<string | Response> | string | Response;

const isChain = (rows: ChainedResponse[]): rows is Chain => rows.length > 0;

/**
 * A path below a response. One that we made stands for rounds that upstream has under other ids;
 * all others are upstream's.
 */
const ofResponse = (serve: Serve) =>
  inTurn(async (parts) => {
    const { context, scope, key, limits, turn } = parts;
    const id = context.req.param("id") ?? "";
    const choosing = choosingOf(scope.platform, key, responsesDialect);
    const isOwn = isOwnResponseId(id);
    // An upstream of another dialect has none.
    const isElsewhere = !isOwn && foreignDialect(choosing) === null;
    if (isElsewhere) return passOn(parts);
    await limits.check();
    await limits.take();
    const { platform } = scope;
    const made = isOwn ? await findResponseChain(platform.database, key.id, id) : [];
    const place = { apiKeyId: key.id, id };
    const chain = isChain(made) || !isOwn ? made : await findBackgroundChain(platform, place);
    if (!isChain(chain))
      throw new ApiError("not_found", `Response with id '${id}' not found.`, { param: "id" });
    const text = await serve(parts, chain);
    await turn.ended({ status: "completed", httpStatus: 200 });
    if (text instanceof Response) return text;
    const headers = { "content-type": "application/json" };
    const body = new TextEncoder().encode(text);
    return writeResponse(scope, { status: 200, headers, body }, turn.headers);
  });

const lastOf = (chain: Chain): ChainedResponse => chain.at(-1) ?? chain[0];

/** Whether a response was begun in the background. */
const isBackground = ({ body }: ChainedResponse): boolean =>
  responseIn(body)["background"] === true;

/** @throws ApiError 400 */
function startingAfter(params: URLSearchParams): number {
  const after = Number(params.get("starting_after") ?? -1);
  if (Number.isInteger(after)) return after;
  const message = "starting_after must be the sequence_number of an event.";
  throw new ApiError("invalid_value", message, { param: "starting_after" });
}

/** `GET /v1/responses/:id` */
export const showResponse = ofResponse((parts, chain) => {
  const { searchParams } = new URL(parts.request.url);
  const response = lastOf(chain);
  if (searchParams.get("stream") !== "true") return response.body;
  if (isBackground(response))
    return streamBackground(parts, response.id, startingAfter(searchParams));
  const message = "Only a response that was made in the background can be streamed again.";
  throw new ApiError("invalid_value", message, { param: "stream" });
});

/** Statuses of a round that is gone upstream. */
const GONE = new Set([200, 204, 404]);

/** `DELETE /v1/responses/:id`: upstream's rounds too, as far as it has them. */
export const removeResponse = ofResponse(async ({ scope, key, request }, chain) => {
  const { platform } = scope;
  const { id } = lastOf(chain);
  const place = { apiKeyId: key.id, id };
  const isOfBackground = isBackground(lastOf(chain));
  if (isOfBackground) await stopBackground(platform, place);
  const upstreamIds = isOfBackground
    ? ((await findBackgroundChain(platform, place)).at(-1)?.upstreamIds ?? [])
    : lastOf(chain).upstreamIds;
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
  if (isOfBackground) await deleteBackground(platform.database, place);
  return JSON.stringify({ id, object: "response", deleted: true });
});

/** `POST /v1/responses/:id/cancel`: of one that has ended it gives what that is. */
export const cancelResponse = ofResponse(async ({ scope, key }, chain) => {
  const { id, body } = lastOf(chain);
  const response = responseIn(body);
  if (response["background"] !== true)
    throw new ApiError("bad_request", "Cannot cancel a synchronous response.", { param: "id" });
  if (!isUnfinished(response)) return body;
  const stopped = await stopBackground(scope.platform, { apiKeyId: key.id, id });
  return JSON.stringify(stopped ?? { ...response, status: "cancelled" });
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
