import type { IncomingMessage } from "node:http";
import { normaliseTarget } from "../routes/normalise-path.ts";

/** What a client that takes us for its HTTP proxy puts before the path (RFC 9112, 3.2.2). */
const ABSOLUTE_FORM = /^https?:\/\/[^/?#\\]+/;

/**
 * Gives a request's target its normal form before anything reads it: the adapter resolves dot
 * segments and backslashes, so that behind it nobody can refuse them.
 * @throws ApiError 400, see `normaliseTarget`
 */
export function normaliseIncoming(incoming: IncomingMessage): void {
  const { url = "" } = incoming;
  const [prefix = ""] = url.startsWith("/") ? [] : (ABSOLUTE_FORM.exec(url) ?? []);
  incoming.url = prefix + normaliseTarget(url.slice(prefix.length));
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
