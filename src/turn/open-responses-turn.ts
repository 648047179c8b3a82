/**
 * A turn of the Responses API as the loop needs it: with its history, what is offered, and where.
 */
import type { ResponsesDialectRequest } from "../dialects/responses/responses-dialect.ts";
import { NO_TOOLS, resolveTools } from "../tools/resolve-tools.ts";
import { chooseDialect, type Choosing, type DialectReason } from "../upstream/choose-dialect.ts";
import { pickUpstream } from "../upstream/pick-upstream.ts";
import type { ToolTurn } from "./open-running.ts";
import { openResponseHistory, type ResponseHistory } from "./response-history.ts";

/** What a turn is opened with. */
export interface ResponsesOpening extends Pick<
  ToolTurn,
  "scope" | "request" | "key" | "turn" | "limits"
> {
  asked: ResponsesDialectRequest;
  /** What the dialect in which upstream is asked depends on, and the one that it should be. */
  choosing: Choosing;
  wanted: DialectReason | null;
  /** How long the request has waited for the database already, in milliseconds. */
  waitedMs: number;
}

/** A turn of the Responses API. */
export interface ResponsesTurn extends ToolTurn {
  asked: ResponsesDialectRequest;
  history: ResponseHistory;
}

/** @throws ApiError where what it goes on from is not there, or cannot be looked up */
export async function openResponsesTurn(opening: ResponsesOpening): Promise<ResponsesTurn> {
  const { scope, request, key, turn, limits, choosing, wanted, waitedMs } = opening;
  const upstream = pickUpstream(scope.platform.config, key);
  const history = await openResponseHistory({
    scope,
    key,
    turn,
    waitedMs,
    request: opening.asked,
    upstream: upstream.baseUrl,
  });
  const asked = opening.asked.withToolsOf(history.request.text);
  const offer = resolveTools(key.tools, asked, request.headers.get("x-proxy-tools")) ?? NO_TOOLS;
  // As another dialect is to say it.
  const foreign = () => history.foreign().request;
  const choice = chooseDialect(choosing, foreign, wanted);
  const parts = { scope, request, key, turn, limits, asked, history, offer, upstream };
  return { ...parts, ...choice, isWatched: false };
}
