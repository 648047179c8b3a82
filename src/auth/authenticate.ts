import { ApiError } from "../openai/api-error.ts";
import { memorySlot, type Memory } from "../memory.ts";
import type { Platform, RequestScope } from "../platform.ts";
import { findKeyByHash, findKeyById } from "../store/resolve-key.ts";
import type { ResolvedKey } from "../store/resolved-key.ts";
import { SealError, sealOf } from "../store/seal.ts";
import { API_KEY_PREFIX, hashApiKey } from "./api-key-format.ts";
import { describeError } from "../store/describe-error.ts";
import { withinLimit } from "../store/within-limit.ts";
import { noteUse } from "./note-use.ts";

/** A key whose own upstream credential, where it has one, is open. */
export interface AuthenticatedKey extends ResolvedKey {
  upstreamApiKey: string | null;
}

interface CachedKey {
  /** Null: there is no such key. */
  key: AuthenticatedKey | null;
  /** When the database was last asked, or failed to answer, by the clock's `elapsed`. */
  askedAt: number;
}

interface KeyCache {
  /** By secret. */
  keys: Map<string, CachedKey>;
  /** How often all were forgotten: an answer that was asked for before says nothing after. */
  changes: number;
}

/**
 * A revoked key stops within 5 s: an answer is fresh for 2 s, then usable while it is renewed until
 * 4.5 s.
 */
const FRESH_MS = 2000;
const USABLE_MS = 4500;
/** A database that hangs must not hang a request with a known key. */
const LOOKUP_LIMIT_MS = 2500;
const MAX_CACHED_KEYS = 10_000;

const keyCache = memorySlot((): KeyCache => ({ keys: new Map(), changes: 0 }));

/**
 * Makes the next request of every key ask the database. Called after each change of keys or tools.
 */
export function forgetKeys(memory: Memory): void {
  const cache = keyCache.of(memory);
  cache.changes++;
  for (const cached of cache.keys.values()) cached.askedAt = -Infinity;
}

/** How many keys could be served now if the database were away. */
export function knownKeyCount(memory: Memory): number {
  let count = 0;
  for (const cached of keyCache.of(memory).keys.values()) if (cached.key !== null) count++;
  return count;
}

/** A key with its upstream credential. */
async function opened(platform: Platform, key: ResolvedKey): Promise<AuthenticatedKey> {
  const { openaiApiKey: sealed } = key;
  return { ...key, upstreamApiKey: sealed === null ? null : await sealOf(platform).open(sealed) };
}

async function loadKey(
  { platform }: RequestScope,
  secret: string,
): Promise<AuthenticatedKey | null> {
  const key = await findKeyByHash(platform.database, await hashApiKey(secret));
  return key === null ? null : opened(platform, key);
}

/** Asks the database and notes the answer; a failure keeps the old answer and is thrown. */
async function renew(scope: RequestScope, secret: string): Promise<AuthenticatedKey | null> {
  const { clock, memory } = scope.platform;
  const cache = keyCache.of(memory);
  const { keys, changes } = cache;
  const startedAt = clock.elapsed();
  try {
    const key = await withinLimit(loadKey(scope, secret), LOOKUP_LIMIT_MS);
    keys.delete(secret);
    if (keys.size >= MAX_CACHED_KEYS) evict(keys);
    keys.set(secret, { key, askedAt: cache.changes === changes ? startedAt : -Infinity });
    return key;
  } catch (error) {
    const before = keys.get(secret);
    if (before !== undefined) before.askedAt = clock.elapsed() - FRESH_MS;
    throw error;
  }
}

/** Unknown keys go first: a flood of guesses must not push out the keys that work. */
function evict(cache: Map<string, CachedKey>): void {
  let victim: string | undefined;
  for (const [secret, cached] of cache) {
    victim ??= secret;
    if (cached.key === null) {
      victim = secret;
      break;
    }
  }
  if (victim !== undefined) cache.delete(victim);
}

async function lookUp(scope: RequestScope, secret: string): Promise<AuthenticatedKey | null> {
  const { clock, memory } = scope.platform;
  const { keys, changes } = keyCache.of(memory);
  const cached = keys.get(secret);
  const age = cached ? clock.elapsed() - cached.askedAt : Infinity;
  if (cached && age < FRESH_MS) return cached.key;
  const lookup = scope.platform.once(`api-key ${changes} ${secret}`, () => renew(scope, secret));
  const renewal = lookup.catch((error: unknown) => {
    scope.platform.logger.warn("A key could not be looked up", { error: describeError(error) });
    if (cached?.key) return cached.key;
    if (error instanceof SealError)
      throw new ApiError(
        "not_configured",
        `The upstream credential of this key cannot be read. ${error.message}`,
        { cause: error },
      );
    throw new ApiError(
      "database_unavailable",
      "The proxy's database is not available, so this key cannot be checked. Try again shortly.",
      {
        retryAfter: 2,
        cause: error,
      },
    );
  });
  if (!cached?.key || age >= USABLE_MS) return renewal;
  scope.waitUntil(renewal.catch(() => null));
  return cached.key;
}

function bearerToken(headers: Headers): string {
  const header = headers.get("authorization");
  const token = header === null ? undefined : /^Bearer +(\S+)\s*$/i.exec(header)?.[1];
  if (token !== undefined) return token;
  throw new ApiError(
    "missing_api_key",
    "This request has no API key. Send it as a header: Authorization: Bearer sk-proxy-…",
    {
      param: "authorization",
    },
  );
}

/**
 * The key that a request may use.
 * @throws ApiError 401 where there is no usable key, 503 where an unknown key cannot be checked
 */
export async function authenticate(
  scope: RequestScope,
  headers: Headers,
): Promise<AuthenticatedKey> {
  const secret = bearerToken(headers);
  const key = secret.startsWith(API_KEY_PREFIX) ? await lookUp(scope, secret) : null;
  if (key === null) {
    throw new ApiError(
      "invalid_api_key",
      "This API key is not known here. Use a key that the operator of this proxy made (it starts with sk-proxy-).",
    );
  }
  checkUsable(key, scope.platform.clock.now());
  noteUse(scope, key);
  return key;
}

/**
 * The key of something that was begun before; null where it was deleted.
 * @throws SealError where its upstream credential cannot be read
 */
export async function findKeyAgain(
  platform: Platform,
  id: string,
): Promise<AuthenticatedKey | null> {
  const key = await findKeyById(platform.database, id);
  return key === null ? null : opened(platform, key);
}

/**
 * Checks that a key may be used.
 * @param now in milliseconds since 1970
 * @throws ApiError 401 where it was switched off, has expired, or was replaced
 */
export function checkUsable(key: ResolvedKey, now: number): void {
  if (!key.isActive)
    throw new ApiError(
      "invalid_api_key",
      "This API key was switched off by the operator of this proxy.",
    );
  if (key.expiresAt !== null && key.expiresAt.getTime() <= now) {
    throw new ApiError(
      "expired_api_key",
      `This API key expired on ${key.expiresAt.toISOString()}. Ask the operator of this proxy for a new one.`,
    );
  }
  if (key.replacedUntil !== null && key.replacedUntil.getTime() <= now) {
    throw new ApiError(
      "expired_api_key",
      `This API key was replaced by a new one, and ended on ${key.replacedUntil.toISOString()}. Ask the operator of this proxy for the new one.`,
    );
  }
}
