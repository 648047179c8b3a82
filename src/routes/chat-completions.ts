import { checkModels } from "../auth/check-model.ts";
import { chatDialect } from "../dialects/chat/chat-dialect.ts";
import type { DialectRequest } from "../dialects/dialect.ts";
import { checkPriced } from "../limits/check-priced.ts";
import { readJsonBody } from "../openai/json.ts";
import { readBody } from "../stream/read-body.ts";
import { NO_TOOLS, resolveTools } from "../tools/resolve-tools.ts";
import { openHistory } from "../turn/history.ts";
import { historyIn } from "../turn/join-conversation.ts";
import { runTurn } from "../turn/run-turn.ts";
import { chooseDialect, choosingOf, foreignDialect } from "../upstream/choose-dialect.ts";
import { pickUpstream } from "../upstream/pick-upstream.ts";
import { watchesTools } from "./admin-session.ts";
import { isSmall } from "./is-small.ts";
import { judgedRequest } from "./judged-request.ts";
import { inTurn } from "./in-turn.ts";
import { relayRead } from "./relay-read.ts";

/**
 * `POST /v1/chat/completions`: with the key's tools where it has some, untouched where it has none.
 */
export const chatCompletions = inTurn(async (parts) => {
  const { context, scope, request, key, limits, turn, waitedMs } = parts;
  const { config } = scope.platform;
  // Nothing large is read for a key that has used up its limits; what is small is on record with it.
  if (!isSmall(request)) await limits.check();
  const body = await readBody(request, config.maxBodyBytes, scope.platform.openDecoder);
  // A body that cannot be read is upstream's to refuse, and recorded without its content.
  const text = await body.text().catch((error: unknown) => {
    if (key.tools.length > 0) throw error;
    return null;
  });
  turn.requested({ text });
  await limits.check();
  const { all } = await checkModels(key, judgedRequest(request), body);
  const upstream = pickUpstream(config, key);
  for (const model of all) await checkPriced(scope, key, { model, upstream: upstream.baseUrl });
  const usual = choosingOf(scope.platform, key, chatDialect);
  const mayRun = key.tools.length > 0 || foreignDialect(usual) !== null;
  const asked = mayRun && text !== null ? await readChat(text) : null;
  await limits.take({ record: turn.record, request, upstream: upstream.baseUrl });
  const picked = request.headers.get("x-proxy-tools");
  const offer = asked === null ? null : resolveTools(key.tools, asked, picked);
  const isWatched = await watchesTools(context);
  const relayed = {
    body,
    text,
    upstream,
    endsWithReason: true,
    history: () => historyIn(chatDialect, text),
  };
  if (asked === null) return relayRead(parts, { ...relayed, known: null });
  const opening = { ...parts, request: asked, upstream: upstream.baseUrl, waitedMs };
  const history = await openHistory(opening);
  const choosing = { ...usual, offered: offer === null ? null : asked };
  const choice = chooseDialect(choosing, () => history.request, foreignDialect(choosing));
  if (offer === null && choice.spoken === chatDialect)
    return relayRead(parts, { ...relayed, known: history, notes: choice.notes });
  return runTurn({
    ...parts,
    asked,
    history,
    offer: offer ?? NO_TOOLS,
    upstream,
    ...choice,
    isWatched,
  });
});

/** @throws ApiError 400 where the body is beyond a bound of what is read */
async function readChat(text: string): Promise<DialectRequest | null> {
  return chatDialect.readRequest(text, (await readJsonBody(text)) ?? null);
}
