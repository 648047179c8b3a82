/** Answers that are given again: to the same key, for the same question, until they expire. */
import { sha256Hex } from "#sha256";
import { checkModel } from "../auth/check-model.ts";
import { isObject, parseJson, sortedMembers, type JsonObject } from "../openai/json.ts";
import { findCachedAnswer, keepCachedAnswer, type AnswerPlace } from "../store/cached-answers.ts";
import { describeError } from "../store/describe-error.ts";
import { sealOf } from "../store/seal.ts";
import { withinLimit } from "../store/within-limit.ts";
import { inTurn } from "./in-turn.ts";
import { recordCall } from "./record-call.ts";
import type { RouterCaller, RouterResult } from "./router-tool.ts";

/** A question, as the cache tells it from others. */
export interface CacheableCall {
  tool: string;
  /** What is asked, without how it is answered: no `stream`, no name of a conversation. */
  body: JsonObject & { model: string };
  /** What the caller says: `cache`. */
  wish: unknown;
  /** Whether it may be answered again without having been asked for it. */
  isUsual: boolean;
  /** Names the conversation that the record has the call in. */
  headers: Record<string, string>;
  /** How the record shows the call. */
  shown(result: RouterResult): { request: JsonObject & { model: string }; answer: string };
  /** The result with other facts. */
  withFacts(result: RouterResult, facts: JsonObject): RouterResult;
}

/** The cache as one call sees it. */
export interface AnswerCache {
  /**
   * The answer of an earlier call, on record as one of this, or null.
   * @throws ApiError where a limit of the key is used up
   */
  find(): Promise<RouterResult | null>;
  /**
   * Keeps an answer before it is given, so that the same question finds it at once, on any replica.
   * Never throws.
   */
  keep(result: RouterResult): Promise<void>;
}

/** A call must not wait longer for it. */
const DATABASE_LIMIT_MS = 500;
/** Larger answers are asked for again. In characters. */
const MAX_ANSWER_LENGTH = 1_000_000;

const NO_CACHE: AnswerCache = { find: async () => null, keep: async () => {} };
const NO_TOKENS = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };

function placeOf({ key, scope }: RouterCaller, { tool, body }: CacheableCall): AnswerPlace {
  const upstream = [
    key.openaiBaseUrl ?? scope.platform.config.openaiBaseUrl,
    key.openaiApiKey === null,
  ];
  const tools = key.tools.map(({ id, parameters, description }) => [id, parameters, description]);
  const text = JSON.stringify(sortedMembers([tool, upstream, tools, body]));
  return { apiKeyId: key.id, requestHash: sha256Hex(text) };
}

async function openAnswer(
  { scope }: RouterCaller,
  place: AnswerPlace,
): Promise<RouterResult | null> {
  const { platform } = scope;
  try {
    const sealed = await withinLimit(findCachedAnswer(platform.database, place), DATABASE_LIMIT_MS);
    const result = sealed === null ? null : parseJson(await sealOf(platform).open(sealed));
    return isObject(result) && Array.isArray(result["content"])
      ? (result as unknown as RouterResult)
      : null;
  } catch (error) {
    platform.logger.warn("The answer cache could not be read, so that the model is asked", {
      error: describeError(error),
    });
    return null;
  }
}

/** Puts the answer on record as that of this call, which cost nothing. */
async function giveAgain(
  caller: RouterCaller,
  call: CacheableCall,
  found: RouterResult,
): Promise<RouterResult> {
  const structured = found.structuredContent ?? {};
  const finishReason = structured["finish_reason"];
  const conversationId = await inTurn(caller, call.headers, async ({ turn, limits }) => {
    checkModel(caller.key, call.body.model);
    await limits.take();
    return recordCall(turn, {
      ...call.shown(found),
      finishReason: typeof finishReason === "string" ? finishReason : null,
      usage: { ...NO_TOKENS, cost: 0 },
    });
  });
  const about = "conversation_id" in structured ? { conversation_id: conversationId } : {};
  return call.withFacts(found, { ...structured, ...about, usage: NO_TOKENS, cached: true });
}

async function keepAnswer(
  { scope }: RouterCaller,
  place: AnswerPlace,
  kept: { result: RouterResult; seconds: number },
): Promise<void> {
  const { platform } = scope;
  const text = JSON.stringify(kept.result);
  if (text.length > MAX_ANSWER_LENGTH) return;
  try {
    const answer = await sealOf(platform).seal(text);
    await withinLimit(
      keepCachedAnswer(platform.database, place, { answer, seconds: kept.seconds }),
      DATABASE_LIMIT_MS,
    );
  } catch (error) {
    platform.logger.warn("An answer could not be kept in the cache", {
      error: describeError(error),
    });
  }
}

/**
 * The cache for one call. Nothing is kept for keys of which no content may be stored.
 * @param call `wish` true: kept and given again; false: neither; else `isUsual` decides
 */
export function openAnswerCache(caller: RouterCaller, call: CacheableCall): AnswerCache {
  const { key, scope } = caller;
  const seconds = key.answerCacheSeconds ?? scope.platform.config.answerCacheSeconds;
  const isWanted = typeof call.wish === "boolean" ? call.wish : call.isUsual;
  if (!isWanted || seconds === 0 || key.logContent === "metadata") return NO_CACHE;
  const place = placeOf(caller, call);
  return {
    find: async () => {
      const found = await openAnswer(caller, place);
      return found === null ? null : giveAgain(caller, call, found);
    },
    keep: (result) => keepAnswer(caller, place, { result, seconds }),
  };
}
