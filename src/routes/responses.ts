import { checkModels } from "../auth/check-model.ts";
import {
  responsesDialect,
  ResponsesDialectRequest,
} from "../dialects/responses/responses-dialect.ts";
import { checkPriced } from "../limits/check-priced.ts";
import { readJsonBody } from "../openai/json.ts";
import type { UpstreamResponse } from "../platform.ts";
import { readBody, type ReadBody } from "../stream/read-body.ts";
import { readRefusal } from "../stream/open-answer.ts";
import { NO_TOOLS, resolveTools, type ToolOffer } from "../tools/resolve-tools.ts";
import { openResponseHistory, type ResponseHistory } from "../turn/response-history.ts";
import { runTurn } from "../turn/run-turn.ts";
import {
  chooseDialect,
  choosingOf,
  foreignDialect,
  type Choosing,
} from "../upstream/choose-dialect.ts";
import { mayLackResponses } from "../upstream/lacks-responses.ts";
import { pickUpstream } from "../upstream/pick-upstream.ts";
import { watchesTools } from "./admin-session.ts";
import { inTurn, type TurnRequest } from "./in-turn.ts";
import { isSmall } from "./is-small.ts";
import { judgedRequest } from "./judged-request.ts";
import { passOn } from "./passthrough.ts";
import { relayRead } from "./relay-read.ts";

/**
 * `POST /v1/responses`: with the key's tools where it has some, untouched where it has none and
 * upstream is asked in the same dialect. A turn of a key with tools runs here although none are
 * offered in it, because its response may be gone on from: by the id that its client is given.
 */
export const responses = inTurn(async (parts) => {
  const choosing = choosingOf(parts.scope.platform, parts.key, responsesDialect);
  const isForeign = foreignDialect(choosing) !== null;
  if (parts.key.tools.length > 0 || isForeign) return serve(parts, choosing);
  return passOn(parts, (body, answer) => askedElsewhere(parts, choosing, { body, answer }));
});

async function readRequest(text: string): Promise<ResponsesDialectRequest | null> {
  const asked = responsesDialect.readRequest(text, (await readJsonBody(text)) ?? null);
  return asked instanceof ResponsesDialectRequest ? asked : null;
}

/** A request that was read, and what it is served with. */
async function open(parts: TurnRequest, asked: ResponsesDialectRequest, offer: ToolOffer) {
  const upstream = pickUpstream(parts.scope.platform.config, parts.key);
  const request = asked;
  const history = await openResponseHistory({ ...parts, request, upstream: upstream.baseUrl });
  const isWatched = await watchesTools(parts.context);
  return { ...parts, asked, history, offer, upstream, isWatched };
}

/** The request as another dialect is to say it. */
const requestOf = (history: ResponseHistory) => () => history.foreign().request;

async function serve(parts: TurnRequest, choosing: Choosing): Promise<Response> {
  const { scope, request, key, limits, turn } = parts;
  const { config, openDecoder } = scope.platform;
  // Nothing large is read for a key that has used up its limits; what is small is on record with
  // it.
  if (!isSmall(request)) await limits.check();
  const body = await readBody(request, config.maxBodyBytes, openDecoder);
  const text = await body.text();
  turn.requested({ text });
  await limits.check();
  const { all } = await checkModels(key, judgedRequest(request), body);
  const upstream = pickUpstream(config, key);
  for (const model of all) await checkPriced(scope, key, { model, upstream: upstream.baseUrl });
  const asked = await readRequest(text);
  await limits.take({ record: turn.record, request, upstream: upstream.baseUrl });
  const relayed = { body, text, upstream, endsWithReason: false, history: () => null };
  if (asked === null) return relayRead(parts, { ...relayed, known: null });
  const offer = resolveTools(key.tools, asked, request.headers.get("x-proxy-tools")) ?? NO_TOOLS;
  const opened = await open(parts, asked, offer);
  const { history } = opened;
  const choice = chooseDialect(choosing, requestOf(history), foreignDialect(choosing));
  const { notes } = choice;
  // Upstream drives what runs in the background, and its client polls for it there.
  const isRelayed = asked.isBackground || key.tools.length === 0;
  if (isRelayed && choice.spoken === responsesDialect)
    return relayRead(parts, { ...relayed, known: history, notes, onId: history.keepPassedOn });
  return runTurn({ ...opened, ...choice });
}

/** A request that was passed on, and upstream's answer, of which nothing was given to the client. */
interface PassedOn {
  body: ReadBody;
  answer: UpstreamResponse;
}

/**
 * Asks in another dialect where the answer says that upstream has no Responses API. Any other is
 * passed on.
 */
async function askedElsewhere(
  parts: TurnRequest,
  choosing: Choosing,
  { body, answer }: PassedOn,
): Promise<UpstreamResponse | Response> {
  if (choosing.setting !== "auto" || !mayLackResponses(answer.status)) return answer;
  const refusal = await readRefusal(answer);
  const asked = await readRequest(await body.text());
  if (asked === null) return refusal.response;
  const opened = await open(parts, asked, NO_TOOLS);
  const own = chooseDialect(choosing, requestOf(opened.history), null);
  const choice = own.instead(refusal, []);
  return choice === null ? refusal.response : runTurn({ ...opened, ...choice });
}
