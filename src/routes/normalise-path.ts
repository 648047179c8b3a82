import { ApiError } from "../openai/api-error.ts";

/**
 * Nearly every target is plain, and is known by this alone: segments of what needs no escape, none
 * empty, none that begins with a dot. Some that are normal already do not look it: `/` for one.
 */
const PLAIN = /^(?:\/[\w~!$&'()*+,;=:@-][\w.~!$&'()*+,;=:@-]*)+(?:\?[^#]*)?$/;

/** What a path keeps as it stands: RFC 3986's `pchar`, the slash, and escapes. */
const MUST_BE_ESCAPED = /[^\w.~!$&'()*+,;=:@/%-]/gu;
const ESCAPE = /%([0-9a-f]{2})?/gi;
/** RFC 3986, 2.3: escaped or not, these are the same. The slash is taken for one, always. */
const MEANS_THE_SAME = /^[\w.~/-]$/;
const BACKSLASH = /\\|%5c/i;
/** Some servers cut `;…` off a segment, and would find dots where we had not. */
const DOT_SEGMENT = /\/\.\.?(?:(?:;|%3B)[^/]*)?(?:\/|$)/;

function unescaped(escape: string, hex: string | undefined): string {
  // A stray per cent sign must not make an escape with what is decoded behind it.
  if (hex === undefined) return "%25";
  const character = String.fromCharCode(Number.parseInt(hex, 16));
  return MEANS_THE_SAME.test(character) ? character : escape.toUpperCase();
}

function normalisePath(path: string): string {
  if (path !== "" && !path.startsWith("/"))
    throw new ApiError("bad_request", "The target of a request has to begin with a slash.");
  const decoded = path.replace(ESCAPE, unescaped).replace(MUST_BE_ESCAPED, encodeURIComponent);
  const normal = decoded.replace(/\/{2,}/g, "/").replace(/(.)\/$/, "$1");
  if (BACKSLASH.test(path) || DOT_SEGMENT.test(normal)) {
    throw new ApiError(
      "bad_request",
      "The path of this request has a dot segment or a backslash. Send the path that they lead to.",
    );
  }
  return normal === "" ? "/" : normal;
}

/**
 * The one form of a request target: what is routed, judged, recorded and asked of upstream. Escapes
 * of letters, digits, `-._~` and `/` are decoded, once; other escapes stay, in upper case. Empty
 * segments go, a slash at the end too, and a fragment, which is no server's business. The query
 * stays as it is spelled. What is normal already comes back as it is.
 * @param target path and query, as they stand in the request line
 * @throws ApiError 400 for dot segments and backslashes, escaped or not
 */
export function normaliseTarget(target: string): string {
  if (PLAIN.test(target)) return target;
  const [sent = ""] = target.split("#", 1);
  const question = sent.indexOf("?");
  if (question === -1) return normalisePath(sent);
  return normalisePath(sent.slice(0, question)) + sent.slice(question);
}

/** What begins like a path of `/v1`, whatever follows. */
const LIKE_V1 = /^\/v1(?:\/|\\|%2f|%5c)/i;
const MAX_SHOWN = 200;

/**
 * A target that is refused, as one that leads nowhere and tells what it was: under it the request
 * is on record. Null where it is none of `/v1`.
 */
export function harmlessTarget(target: string): string | null {
  const [start] = LIKE_V1.exec(target) ?? [];
  if (start === undefined) return null;
  const [path = ""] = target.slice(start.length).split(/[?#]/, 1);
  const shown = encodeURIComponent(path.slice(0, MAX_SHOWN).toWellFormed());
  // What is escaped once would still be a dot, or a backslash.
  const twice = shown.replaceAll(".", "%252E").replaceAll("%5C", "%255C").replaceAll("%2F", "/");
  return normalisePath(`/v1/${twice}`);
}

const pathStart = (url: string) => url.indexOf("/", url.indexOf("://") + 3);

/**
 * A request whose URL has the one form of its target. One that has it already is given back.
 * @throws ApiError 400, see `normaliseTarget`
 */
export function withNormalPath(request: Request): Request {
  const { url } = request;
  const start = pathStart(url);
  const target = url.slice(start);
  const normal = normaliseTarget(target);
  return normal === target ? request : new Request(url.slice(0, start) + normal, request);
}

/** A request whose target is refused, as one that leads nowhere. Null where it is none of `/v1`. */
export function withHarmlessPath(request: Request): Request | null {
  const { url } = request;
  const start = pathStart(url);
  const target = harmlessTarget(url.slice(start));
  return target === null ? null : new Request(url.slice(0, start) + target, request);
}

/** What a request with a normal URL asks: its path, without the query. */
export function endpointOf(url: string): string {
  const [path = "/"] = url.slice(pathStart(url)).split("?", 1);
  return path;
}
