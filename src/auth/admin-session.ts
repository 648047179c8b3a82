import { errors, jwtVerify, SignJWT } from "jose";
import { ApiError } from "../openai/api-error.ts";
import { memorySlot, type Memory } from "../memory.ts";
import type { Platform } from "../platform.ts";

/** Proof that its holder is the operator. */
export interface AdminSession {
  /** JWT, HS256. */
  token: string;
  expiresAt: Date;
}

/** How long a session lasts, in seconds. */
export const SESSION_SECONDS = 12 * 60 * 60;

const SUBJECT = "admin";
const ISSUER = "openai-proxy-server";
const AUDIENCE = "openai-proxy-server/admin";
const ALGORITHM = "HS256";

const MAX_FAILURES = 10;
const WINDOW_MS = 5 * 60 * 1000;
const MAX_ADDRESSES = 10_000;

interface Failures {
  count: number;
  /** Milliseconds since 1970. */
  since: number;
}

/**
 * By network.
 * @internal for tests
 */
export const signInFailures = memorySlot(() => new Map<string, Failures>());

/**
 * Who is counted together: an IPv4 address, or the /64 that an IPv6 address is in, because one
 * machine has all of it. `::ffff:192.0.2.1` is that IPv4 address.
 */
function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(":")) return mapped ?? address;
  const [before = "", after] = address.toLowerCase().split("::");
  const [left, right] = [before, after ?? ""].map((part) =>
    part === "" ? [] : part.split(":"),
  ) as [string[], string[]];
  const zeros =
    after === undefined
      ? []
      : Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => "0");
  return [...left, ...zeros, ...right]
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":");
}

/** The oldest entry goes first, so that nobody can fill the memory with addresses. */
function remember(failures: Map<string, Failures>, network: string): Failures {
  const now = Date.now();
  const known = failures.get(network);
  if (known !== undefined && now - known.since < WINDOW_MS) return known;
  failures.delete(network);
  const [oldest] = failures.keys();
  if (failures.size >= MAX_ADDRESSES && oldest !== undefined) failures.delete(oldest);
  const fresh = { count: 0, since: now };
  failures.set(network, fresh);
  return fresh;
}

/**
 * Counts an attempt before it is judged, so that many at the same time get no further than one
 * after the other.
 */
function countAttempt(memory: Memory, address: string): { forgive(): void } {
  const failures = signInFailures.of(memory);
  const network = networkOf(address);
  const counted = remember(failures, network);
  if (counted.count >= MAX_FAILURES) {
    const retryAfter = (counted.since + WINDOW_MS - Date.now()) / 1000;
    const wait = `${Math.ceil(retryAfter)} seconds`;
    throw new ApiError(
      "too_many_requests",
      `There were too many wrong passwords from this address. Try again in ${wait}.`,
      { retryAfter },
    );
  }
  counted.count++;
  return { forgive: () => failures.delete(network) };
}

const digest = async (text: string) =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));

/**
 * Takes as long for a near miss as for any other: digests have one length, and all of their bytes
 * are compared.
 */
async function isSameText(a: string, b: string): Promise<boolean> {
  const [left, right] = await Promise.all([digest(a), digest(b)]);
  return (
    left.reduce((difference, byte, index) => difference | (byte ^ (right[index] ?? 0)), 0) === 0
  );
}

const signingKey = (secret: string) => new TextEncoder().encode(secret);

/**
 * Begins a session of 12 hours.
 * @param attempt the client's network address, for throttling, and what was typed
 * @throws ApiError 401 for a wrong password, 429 after 10 of them from one address within 5 minutes
 */
export async function signIn(
  { config, memory }: Pick<Platform, "config" | "memory">,
  attempt: { address: string; password: string },
): Promise<AdminSession> {
  const counted = countAttempt(memory, attempt.address);
  if (!(await isSameText(attempt.password, config.adminPassword))) {
    throw new ApiError(
      "wrong_password",
      "The password is wrong. It is the one that ADMIN_PASSWORD sets.",
      { param: "password" },
    );
  }
  counted.forgive();
  const issuedAt = Math.floor(Date.now() / 1000);
  const expiresAt = issuedAt + SESSION_SECONDS;
  const token = await new SignJWT()
    .setProtectedHeader({ alg: ALGORITHM, typ: "JWT" })
    .setSubject(SUBJECT)
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiresAt)
    .sign(signingKey(config.jwtSecret));
  return { token, expiresAt: new Date(expiresAt * 1000) };
}

/**
 * Resolves where a token proves the operator.
 * @throws ApiError 401 for any other token, and for none
 */
export async function requireSession(
  config: Platform["config"],
  token: string | null,
): Promise<void> {
  if (token === null) {
    throw new ApiError(
      "admin_session_required",
      "This needs an admin session: sign in with POST /api/admin/login, then send Authorization: Bearer TOKEN.",
      {
        param: "authorization",
      },
    );
  }
  try {
    await jwtVerify(token, signingKey(config.jwtSecret), {
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      audience: AUDIENCE,
      subject: SUBJECT,
      requiredClaims: ["iat", "exp"],
    });
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error;
    const reason = error instanceof errors.JWTExpired ? "has expired" : "is not valid";
    throw new ApiError(
      "admin_session_required",
      `This admin session ${reason}: sign in again with POST /api/admin/login.`,
      {
        param: "authorization",
        cause: error,
      },
    );
  }
}
