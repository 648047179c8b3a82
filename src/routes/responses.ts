import { checkModels } from "../auth/check-model.ts";
import {
  responsesDialect,
  ResponsesDialectRequest,
} from "../dialects/responses/responses-dialect.ts";
import { newResponseId } from "../dialects/responses/own-items.ts";
import { checkPriced } from "../limits/check-priced.ts";
import { ApiError } from "../openai/api-error.ts";
import { readJsonBody } from "../openai/json.ts";
import type { UpstreamResponse } from "../platform.ts";
import { readBody, type ReadBody } from "../stream/read-body.ts";
import { readRefusal } from "../stream/open-answer.ts";
import { beginResponse } from "../turn/begin-background.ts";
import { openResponsesTurn, type ResponsesTurn } from "../turn/open-responses-turn.ts";
import { runTurn } from "../turn/run-turn.ts";
import { writeResponse } from "../turn/write-response.ts";
import {
  chooseDialect,
  choosingOf,
  foreignDialect,
  type Choosing,
} from "../upstream/choose-dialect.ts";
import { lacksResponses, mayLackResponses } from "../upstream/lacks-responses.ts";
import { pickUpstream } from "../upstream/pick-upstream.ts";
import { watchesTools } from "./admin-session.ts";
import { inTurn, type TurnRequest } from "./in-turn.ts";
import { isSmall } from "./is-small.ts";
import { judgedRequest } from "./judged-request.ts";
import { passOn } from "./passthrough.ts";
import { relayRead } from "./relay-read.ts";
import { streamBackground } from "./stream-background.ts";

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

/** Whether what runs in the background can be made here: it has to be kept, and gone on with. */
const mayBeMadeHere = ({ scope, key }: TurnRequest, asked: ResponsesDialectRequest): boolean =>
  asked.isBackground && scope.platform.outlivesRequests && key.logContent !== "metadata";

/**
 * Whether it is: the key's tools, or another dialect, take the proxy's own loop. All else upstream
 * makes.
 */
function isMadeHere(
  parts: TurnRequest,
  asked: ResponsesDialectRequest,
  choosing: Choosing,
): boolean {
  if (!mayBeMadeHere(parts, asked)) return false;
  const request = () => asked.inBackground("");
  const { spoken } = chooseDialect(choosing, request, foreignDialect(choosing));
  return parts.key.tools.length > 0 || spoken !== responsesDialect;
}

/** A request whose response is made here; with an id, where it is begun in the background. */
function toBeMade(
  asked: ResponsesDialectRequest,
  isInBackground: boolean,
): ResponsesDialectRequest {
  if (!isInBackground) return asked;
  if (asked.isStored) return asked.inBackground(newResponseId());
  const message = "A response in the background is stored: leave store out, or say true.";
  throw new ApiError("invalid_value", message, { param: "store" });
}

/** Begins a response in the background. @param text of the request, as its client sent it */
async function answerInBackground(
  parts: TurnRequest,
  opened: ResponsesTurn,
  text: string,
): Promise<Response> {
  const { scope, turn } = parts;
  const { id, response } = await beginResponse(opened, text);
  if (opened.asked.stream) return streamBackground(parts, id, -1);
  const body = new TextEncoder().encode(JSON.stringify(response));
  const headers = { "content-type": "application/json" };
  return writeResponse(scope, { status: 200, headers, body }, turn.headers);
}

async function serve(parts: TurnRequest, choosing: Choosing): Promise<Response> {
  const { context, scope, request, key, limits, turn } = parts;
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
  const wanted = foreignDialect(choosing);
  const isHere = isMadeHere(parts, asked, choosing);
  const made = toBeMade(asked, isHere);
  const opened = await openResponsesTurn({ ...parts, asked: made, choosing, wanted });
  if (isHere) return answerInBackground(parts, opened, text);
  const { history, notes, spoken } = opened;
  // Upstream makes all else that runs in the background, and its client polls for it there.
  const isRelayed = asked.isBackground || key.tools.length === 0;
  if (isRelayed && spoken === responsesDialect)
    return relayRead(parts, { ...relayed, known: history, notes, onId: history.keepPassedOn });
  return runTurn({ ...opened, isWatched: await watchesTools(context) });
}

/**
 * A request that was passed on, and upstream's answer, of which nothing was given to the client.
 */
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
  if (!lacksResponses(refusal)) return refusal.response;
  const asked = await readRequest(await body.text());
  if (asked === null) return refusal.response;
  const isHere = mayBeMadeHere(parts, asked);
  const made = toBeMade(asked, isHere);
  const opened = await openResponsesTurn({ ...parts, asked: made, choosing, wanted: null });
  const choice = opened.instead(refusal, []);
  if (choice === null) return refusal.response;
  const turned = { ...opened, ...choice };
  if (isHere) return answerInBackground(parts, turned, asked.text);
  return runTurn({ ...turned, isWatched: await watchesTools(parts.context) });
}
