import type { Context } from "hono";
import { authenticate } from "../auth/authenticate.ts";
import { checkLimits } from "../auth/check-limits.ts";
import { checkModels } from "../auth/check-model.ts";
import { readChatRequest } from "../openai/chat-request.ts";
import type { RequestScope } from "../platform.ts";
import { openTurn } from "../record/open-turn.ts";
import { nameConversation } from "../store/name-conversation.ts";
import { readBody } from "../stream/read-body.ts";
import { resolveTools } from "../tools/resolve-tools.ts";
import { pickUpstream } from "../upstream/pick-upstream.ts";
import { watchesTools } from "./admin-session.ts";
import { answerUntouched } from "./answer-untouched.ts";
import { answerWithTools } from "./answer-with-tools.ts";
import { judgedRequest } from "./judged-request.ts";
import { openHistory } from "./model-history.ts";
import { openTurnLimits } from "./turn-limits.ts";

/**
 * `POST /v1/chat/completions`: with the key's tools where it has some, byte for byte where it has
 * none.
 */
export async function chatCompletions(
  context: Context<{ Bindings: RequestScope }>,
): Promise<Response> {
  const [scope, request] = [context.env, context.req.raw];
  const { config } = scope.platform;
  const startedAt = Date.now();
  const key = await authenticate(scope, request.headers);
  const waitedMs = Date.now() - startedAt;
  const limits = openTurnLimits(scope, await checkLimits(scope, key));
  const body = await readBody(request, config.maxBodyBytes);
  await checkModels(key, judgedRequest(request), body);
  const chat = key.tools.length > 0 ? readChatRequest(await body.text()) : null;
  const offer =
    chat === null ? null : resolveTools(key.tools, chat, request.headers.get("x-proxy-tools"));
  const upstream = pickUpstream(config, key);
  const isWatched = await watchesTools(context);
  const turn = openTurn(limits.keeper, {
    id: scope.requestId,
    endpoint: scope.endpoint ?? "/v1/chat/completions",
    apiKey: key,
    upstream: upstream.baseUrl,
  });
  nameConversation({ key, turn }, request.headers);
  const history =
    chat === null || key.tools.length === 0
      ? null
      : await openHistory({ scope, key, chat, turn, waitedMs });
  if (chat === null || offer === null || history === null)
    return answerUntouched({ scope, request, key, body, upstream, turn, history });
  return answerWithTools({
    scope,
    request,
    key,
    chat,
    offer,
    upstream,
    turn,
    history,
    limits,
    isWatched,
  });
}
