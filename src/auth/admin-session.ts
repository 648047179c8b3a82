import { errors, jwtVerify, SignJWT } from "jose";
import { v7 as uuidv7 } from "uuid";
import type { Config } from "../config/read-config.ts";
import { ApiError } from "../openai/api-error.ts";
import type { Platform } from "../platform.ts";
import type { EndedSession } from "../store/ended-sessions.ts";
import { hasSessionEnded } from "./session-end.ts";
import { queueAttempt } from "./sign-in-delay.ts";

/** Proof that its holder is the operator. */
export interface AdminSession {
  /** JWT, HS256. */
  token: string;
  expiresAt: Date;
}

/** How long a session lasts, in seconds. */
export const SESSION_SECONDS = 12 * 60 * 60;
/** How long a browser is known again, in seconds: as long as browsers keep a cookie. */
export const DEVICE_SECONDS = 400 * 24 * 60 * 60;

const SUBJECT = "admin";
const ISSUER = "openai-proxy-server";
/** What a token is for. */
const AUDIENCES = {
  session: "openai-proxy-server/admin",
  /** To be known again when somebody signs in: it opens nothing. */
  device: "openai-proxy-server/device",
} as const;
const ALGORITHM = "HS256";
const KEY_CONTEXT = "openai-proxy-server admin session v1\0";

type Secrets = Pick<Config, "jwtSecret" | "adminPassword">;

const bytesOf = (text: string) => new TextEncoder().encode(text);

const digest = async (text: string) =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", bytesOf(text)));

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

/**
 * What signs tokens. It has the password in it, so that a new one ends every session, as a new
 * JWT_SECRET does: on each replica that has it, without asking anybody.
 */
async function signingKey({ jwtSecret, adminPassword }: Secrets): Promise<Uint8Array> {
  const rule = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytesOf(jwtSecret), rule, false, ["sign"]);
  const signed = await crypto.subtle.sign("HMAC", key, bytesOf(KEY_CONTEXT + adminPassword));
  return new Uint8Array(signed);
}

const after = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Somebody who wants to sign in. */
export interface SignInAttempt {
  /** The client's network address, for throttling. */
  address: string;
  /** What the browser was given when the operator signed in with it before, or nothing. */
  device: string | null;
  /** What was typed. */
  password: string;
  /** Told, now and then, that attempts from there are held up. */
  onHeldUp(): void;
}

/** The parts of a platform by which tokens are made and read. */
type Signer = Pick<Platform, "config" | "clock">;

async function makeToken(
  { config, clock }: Signer,
  purpose: keyof typeof AUDIENCES,
  seconds: number,
): Promise<AdminSession> {
  const issuedAt = Math.floor(clock.now() / 1000);
  const expiresAt = issuedAt + seconds;
  const token = await new SignJWT()
    .setProtectedHeader({ alg: ALGORITHM, typ: "JWT" })
    .setJti(uuidv7())
    .setSubject(SUBJECT)
    .setIssuer(ISSUER)
    .setAudience(AUDIENCES[purpose])
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiresAt)
    .sign(await signingKey(config));
  return { token, expiresAt: new Date(expiresAt * 1000) };
}

/**
 * What a token is of.
 * @throws JOSEError for a token that is not ours, is for another purpose, or has expired
 */
async function readToken(
  { config, clock }: Signer,
  token: string,
  purpose: keyof typeof AUDIENCES = "session",
): Promise<EndedSession> {
  const { payload } = await jwtVerify(token, await signingKey(config), {
    algorithms: [ALGORITHM],
    issuer: ISSUER,
    audience: AUDIENCES[purpose],
    subject: SUBJECT,
    requiredClaims: ["iat", "exp", "jti"],
    currentDate: new Date(clock.now()),
  });
  const { jti = "", exp = 0 } = payload;
  return { id: jti, expiresAt: new Date(exp * 1000) };
}

function nullForForeign(error: unknown): null {
  if (error instanceof errors.JOSEError) return null;
  throw error;
}

/** Makes what a browser is known by, once the operator has signed in with it. */
export const makeDevice = async (signer: Signer): Promise<string> =>
  (await makeToken(signer, "device", DEVICE_SECONDS)).token;

async function deviceIdOf(signer: Signer, device: string | null): Promise<string | null> {
  if (device === null) return null;
  return (await readToken(signer, device, "device").catch(nullForForeign))?.id ?? null;
}

/**
 * Begins a session of 12 hours.
 * @throws ApiError 401 for a wrong password, 429 where too many wait to be judged
 */
export async function signIn(
  { config, clock, memory }: Signer & Pick<Platform, "memory">,
  { address, device, password, onHeldUp }: SignInAttempt,
): Promise<AdminSession> {
  const deviceId = await deviceIdOf({ config, clock }, device);
  const attempt = queueAttempt({ memory, clock }, { address, deviceId }, onHeldUp);
  if (attempt.waitMs > 0) await after(attempt.waitMs);
  if (!(await isSameText(password, config.adminPassword))) {
    throw new ApiError(
      "wrong_password",
      "The password is wrong. It is the one that ADMIN_PASSWORD sets.",
      { param: "password" },
    );
  }
  attempt.forgive();
  return makeToken({ config, clock }, "session", SESSION_SECONDS);
}

/** The session that a token proves, or null: it is not ours, or has expired. */
export const findSession = (signer: Signer, token: string): Promise<EndedSession | null> =>
  readToken(signer, token).catch(nullForForeign);

function invalid(reason: string, cause?: unknown): ApiError {
  return new ApiError(
    "admin_session_required",
    `This admin session ${reason}: sign in again with POST /api/admin/login.`,
    { param: "authorization", cause },
  );
}

/**
 * Resolves where a token proves the operator.
 * @throws ApiError 401 for any other token, for none, and for one whose session was ended
 */
export async function requireSession(
  platform: Pick<Platform, "clock" | "config" | "database" | "logger" | "memory">,
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
  const { id } = await readToken(platform, token).catch((error: unknown) => {
    if (!(error instanceof errors.JOSEError)) throw error;
    throw invalid(error instanceof errors.JWTExpired ? "has expired" : "is not valid", error);
  });
  if (await hasSessionEnded(platform, id)) throw invalid("was ended");
}
