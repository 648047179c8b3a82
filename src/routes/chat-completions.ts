import { checkModels } from "../auth/check-model.ts";
import { chatDialect } from "../dialects/chat/chat-dialect.ts";
import type { DialectRequest } from "../dialects/dialect.ts";
import { translationOf } from "../dialects/translations.ts";
import { checkPriced } from "../limits/check-priced.ts";
import { readJsonBody } from "../openai/json.ts";
import { readBody, type ReadBody } from "../stream/read-body.ts";
import { resolveTools } from "../tools/resolve-tools.ts";
import { openHistory, type ModelHistory } from "../turn/history.ts";
import { historyIn } from "../turn/join-conversation.ts";
import { relayTurn } from "../turn/relay-turn.ts";
import { runTurn } from "../turn/run-turn.ts";
import { pickUpstream, type Upstream } from "../upstream/pick-upstream.ts";
import { watchesTools } from "./admin-session.ts";
import { isSmall } from "./is-small.ts";
import { judgedRequest } from "./judged-request.ts";
import { inTurn, type TurnRequest } from "./in-turn.ts";

/** `POST /v1/chat/completions`: with the key's tools where it has some, untouched where it has none. */
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
  const asked = key.tools.length > 0 && text !== null ? await readChat(text) : null;
  await limits.take();
  const picked = request.headers.get("x-proxy-tools");
  const offer = asked === null ? null : resolveTools(key.tools, asked, picked);
  const isWatched = await watchesTools(context);
  const history =
    asked === null
      ? null
      : await openHistory({ ...parts, request: asked, upstream: upstream.baseUrl, waitedMs });
  if (asked === null || offer === null || history === null)
    return relayChat(parts, { body, text, upstream, history });
  const spoken = chatDialect;
  return runTurn({
    scope,
    request,
    key,
    turn,
    limits,
    asked,
    history,
    offer,
    upstream,
    spoken,
    translation: translationOf(chatDialect, spoken),
    isWatched,
  });
});

/** @throws ApiError 400 where the body is beyond a bound of what is read */
async function readChat(text: string): Promise<DialectRequest | null> {
  return chatDialect.readRequest(text, (await readJsonBody(text)) ?? null);
}

interface UntouchedChat {
  body: ReadBody;
  /** Null where it cannot be read. */
  text: string | null;
  upstream: Upstream;
  /** Where the key has tools: the history may be one that a client came back with. */
  history: ModelHistory | null;
}

/**
 * Sends the body as it came. Only where the client did not see all of its history, that history as
 * the model must see it.
 */
async function relayChat(parts: TurnRequest, chat: UntouchedChat): Promise<Response> {
  const { turn } = parts;
  const { body, text, upstream, history } = chat;
  turn.restored(history?.restored ?? []);
  // The record reads along, so the answer should not be compressed.
  const headers = { "accept-encoding": "identity" };
  const isRestored = history !== null && history.restored.length > 0;
  const restored = isRestored ? new TextEncoder().encode(history.request.text) : null;
  return relayTurn({
    ...parts,
    upstream,
    body: restored ?? body.bytes,
    headers: restored === null ? headers : { ...headers, "content-encoding": "" },
    sentDigest: null,
    keepsText: true,
    endsWithReason: true,
    history: () => history?.sent ?? historyIn(chatDialect, text),
  });
}
