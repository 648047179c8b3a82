import type { IncomingMessage } from "node:http";
import { harmlessTarget, normaliseTarget } from "../routes/normalise-path.ts";

/** What a client that takes us for its HTTP proxy puts before the path (RFC 9112, 3.2.2). */
const ABSOLUTE_FORM = /^https?:\/\/[^/?#\\]+/;

/**
 * Gives a request's target its normal form before anything reads it: the adapter resolves dot
 * segments and backslashes, so that behind it nobody can refuse them.
 * @returns why the app must refuse it, when it knows whose it is; null: it need not
 * @throws ApiError 400, see `normaliseTarget`
 */
export function normaliseIncoming(incoming: IncomingMessage): Error | null {
  const { url = "" } = incoming;
  const [prefix = ""] = url.startsWith("/") ? [] : (ABSOLUTE_FORM.exec(url) ?? []);
  const target = url.slice(prefix.length);
  try {
    incoming.url = prefix + normaliseTarget(target);
    return null;
  } catch (error) {
    const harmless = harmlessTarget(target);
    if (harmless === null || !(error instanceof Error)) throw error;
    incoming.url = prefix + harmless;
    return error;
  }
}

/**
 * Gives the adapter's request the query as the client spelled it: where there is an odd character,
 * the adapter spells all of the URL as browsers do, an apostrophe as `%27`.
 */
export function keepSpelling(request: Request, { url = "" }: IncomingMessage): void {
  if (request.url.endsWith(url)) return;
  const { origin } = new URL(request.url);
  Object.defineProperty(request, "url", { value: origin + url.replace(ABSOLUTE_FORM, "") });
}
