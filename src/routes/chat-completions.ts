import { checkModels } from "../auth/check-model.ts";
import { chatDialect } from "../dialects/chat/chat-dialect.ts";
import type { DialectRequest } from "../dialects/dialect.ts";
import { checkPriced } from "../limits/check-priced.ts";
import { readJsonBody } from "../openai/json.ts";
import { readBody, type ReadBody } from "../stream/read-body.ts";
import { resolveTools } from "../tools/resolve-tools.ts";
import { openHistory, type ModelHistory } from "../turn/history.ts";
import { placesIn } from "../turn/join-conversation.ts";
import { relayTurn } from "../turn/relay-turn.ts";
import { runTurn } from "../turn/run-turn.ts";
import { pickUpstream, type Upstream } from "../upstream/pick-upstream.ts";
import { watchesTools } from "./admin-session.ts";
import { judgedRequest } from "./judged-request.ts";
import { inTurn, type TurnRequest } from "./in-turn.ts";
import { refusable } from "./note-refused.ts";

/** `POST /v1/chat/completions`: with the key's tools where it has some, untouched where it has none. */
export const chatCompletions = inTurn(async (parts) => {
  const { context, scope, request, key, limits, turn, waitedMs } = parts;
  const { config } = scope.platform;
  await refusable(parts, null, () => limits.check());
  const body = await readBody(request, config.maxBodyBytes, scope.platform.openDecoder);
  const upstream = pickUpstream(config, key);
  const asked = await refusable(parts, body, async () => {
    const { all } = await checkModels(key, judgedRequest(request), body);
    for (const model of all) await checkPriced(scope, key, { model, upstream: upstream.baseUrl });
    const chat = key.tools.length > 0 ? await readChat(await body.text()) : null;
    await limits.take();
    return chat;
  });
  const picked = request.headers.get("x-proxy-tools");
  const offer = asked === null ? null : resolveTools(key.tools, asked, picked);
  const isWatched = await watchesTools(context);
  const history =
    asked === null
      ? null
      : await openHistory({ ...parts, request: asked, upstream: upstream.baseUrl, waitedMs });
  if (asked === null || offer === null || history === null)
    return relayChat(parts, { body, asked, upstream, history });
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
    isWatched,
  });
});

/** @throws ApiError 400 where the body is beyond a bound of what is read */
async function readChat(text: string): Promise<DialectRequest | null> {
  return chatDialect.readRequest(text, (await readJsonBody(text)) ?? null);
}

interface UntouchedChat {
  body: ReadBody;
  /** Null where nothing of it had to be read. */
  asked: DialectRequest | null;
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
  const { body, asked, upstream, history } = chat;
  // A body that cannot be read is upstream's to refuse, and recorded without its content.
  const text = asked?.text ?? (await body.text().catch(() => null));
  turn.requested({ text });
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
    places: () => history?.places ?? placesIn(chatDialect, text),
  });
}
