/**
 * `POST /v1/responses/compact` and `/v1/responses/input_tokens`: upstream looks at a history, and
 * answers nothing in it. It is sent the history as the model must see it: with what the client did
 * not see, and without ids and items that only this proxy knows.
 */
import { checkModels } from "../auth/check-model.ts";
import type { DialectRequest } from "../dialects/dialect.ts";
import {
  responsesDialect,
  ResponsesDialectRequest,
} from "../dialects/responses/responses-dialect.ts";
import { checkPriced } from "../limits/check-priced.ts";
import { ApiError } from "../openai/api-error.ts";
import { readJsonBody } from "../openai/json.ts";
import { readBody } from "../stream/read-body.ts";
import { NO_TOOLS, resolveTools, spellTool, type ToolOffer } from "../tools/resolve-tools.ts";
import { openResponseHistory } from "../turn/response-history.ts";
import { choosingOf, foreignDialect } from "../upstream/choose-dialect.ts";
import { pickUpstream } from "../upstream/pick-upstream.ts";
import { inTurn, type TurnRequest } from "./in-turn.ts";
import { isSmall } from "./is-small.ts";
import { judgedRequest } from "./judged-request.ts";
import { passOn } from "./passthrough.ts";
import { relayRead } from "./relay-read.ts";

const FIRST_ROUND = { round: 1, appended: [], withdrawn: new Set<string>(), toolsEnded: false };

/** The request with the tools that a turn would offer: the model reads them too. */
function withTools(request: DialectRequest, { serverTools }: ToolOffer): DialectRequest {
  const spellings = [...serverTools].map(
    ([name, tool]) => [name, spellTool(responsesDialect, tool)] as const,
  );
  const plan = {
    state: FIRST_ROUND,
    offered: new Map(spellings),
    form: { withoutEncryptedReasoning: true },
  };
  return responsesDialect.readRequest(request.roundBody(plan)) ?? request;
}

async function relay(parts: TurnRequest, offersTools: boolean): Promise<Response> {
  const { scope, request, key, limits, turn } = parts;
  const { config, openDecoder } = scope.platform;
  if (!isSmall(request)) await limits.check();
  const body = await readBody(request, config.maxBodyBytes, openDecoder);
  const text = await body.text();
  turn.requested({ text });
  await limits.check();
  const { all } = await checkModels(key, judgedRequest(request), body);
  const upstream = pickUpstream(config, key);
  for (const model of all) await checkPriced(scope, key, { model, upstream: upstream.baseUrl });
  await limits.take({ record: turn.record, request, upstream: upstream.baseUrl });
  const relayed = { body, text, upstream, endsWithReason: false, history: () => null };
  const asked = responsesDialect.readRequest(text, (await readJsonBody(text)) ?? null);
  if (!(asked instanceof ResponsesDialectRequest))
    return relayRead(parts, { ...relayed, known: null });
  const opened = { ...parts, request: asked, upstream: upstream.baseUrl };
  const known = await openResponseHistory(opened);
  if (!offersTools) return relayRead(parts, { ...relayed, known });
  const chosen = request.headers.get("x-proxy-tools");
  const offer = resolveTools(key.tools, asked, chosen) ?? NO_TOOLS;
  const counted = { ...known, request: withTools(known.request, offer) };
  return relayRead(parts, { ...relayed, known: counted });
}

/** @throws ApiError 404 where upstream speaks a dialect that has nothing like it */
function checkServed({ scope, key, request }: TurnRequest): void {
  if (foreignDialect(choosingOf(scope.platform, key, responsesDialect)) === null) return;
  const { pathname } = new URL(request.url);
  const message =
    `${pathname} is not served: upstream is asked over chat completions, which have nothing like ` +
    "it. Shorten or count the history yourself.";
  throw new ApiError("not_found", message);
}

const ofHistory = (offersTools: boolean) =>
  inTurn((parts) => {
    checkServed(parts);
    return parts.key.tools.length === 0 ? passOn(parts) : relay(parts, offersTools);
  });

/** `POST /v1/responses/compact`: nothing is added to a compaction. */
export const compactResponse = ofHistory(false);

/** `POST /v1/responses/input_tokens`: of what a turn would send. */
export const countInputTokens = ofHistory(true);
