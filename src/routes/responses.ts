import { checkModels } from "../auth/check-model.ts";
import {
  responsesDialect,
  ResponsesDialectRequest,
} from "../dialects/responses/responses-dialect.ts";
import { checkPriced } from "../limits/check-priced.ts";
import { readJsonBody } from "../openai/json.ts";
import { readBody } from "../stream/read-body.ts";
import { NO_TOOLS, resolveTools } from "../tools/resolve-tools.ts";
import { openResponseHistory } from "../turn/response-history.ts";
import { runTurn } from "../turn/run-turn.ts";
import {
  chooseDialect,
  foreignDialect,
  settingOf,
  type DialectReason,
} from "../upstream/choose-dialect.ts";
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
  const { key, scope } = parts;
  const setting = settingOf(scope.platform.config, key);
  const wanted = foreignDialect({ client: responsesDialect, setting });
  return key.tools.length === 0 && wanted === null ? passOn(parts) : run(parts, wanted);
});

/** @param wanted the dialect in which upstream should be asked, where that is another */
async function run(parts: TurnRequest, wanted: DialectReason | null): Promise<Response> {
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
  const asked = responsesDialect.readRequest(text, (await readJsonBody(text)) ?? null);
  await limits.take({ record: turn.record, request, upstream: upstream.baseUrl });
  const relayed = { body, text, upstream, endsWithReason: false, history: () => null };
  if (!(asked instanceof ResponsesDialectRequest))
    return relayRead(parts, { ...relayed, known: null });
  const offer = resolveTools(key.tools, asked, request.headers.get("x-proxy-tools")) ?? NO_TOOLS;
  const isWatched = await watchesTools(context);
  const history = await openResponseHistory({
    ...parts,
    request: asked,
    upstream: upstream.baseUrl,
    isForeign: wanted !== null,
  });
  const choice = chooseDialect(history.request, wanted);
  const { notes } = choice;
  // Upstream drives what runs in the background, and its client polls for it there.
  const isRelayed = asked.isBackground || key.tools.length === 0;
  if (isRelayed && choice.spoken === responsesDialect)
    return relayRead(parts, { ...relayed, known: history, notes, onId: history.keepPassedOn });
  return runTurn({
    ...parts,
    asked,
    history,
    offer,
    upstream,
    ...choice,
    isWatched,
  });
}
