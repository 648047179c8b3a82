/**
 * Which headers cross the proxy, as one table. Everything that is not listed passes, in both
 * directions: upstream knows headers that we do not.
 */
interface HeaderRule {
  /** A name in lower case; `*` stands for any characters. */
  name: string;
  dropFrom: "request" | "response" | "both";
  /** Passes where the proxy key has an upstream credential of its own. */
  unless?: "own credential";
  why: string;
}

const HOP_BY_HOP = "hop-by-hop (RFC 9110, 7.6.1)";
const CREDENTIAL = "a credential, for the proxy or for another server: upstream gets its own";
const IDENTITY = "who the caller is, as a sign-in in front of the proxy says";
const ACCOUNT = "names an account that is not the credential's";
const PAGE = "tells about the page that calls";
const NETWORK = "tells about the client's network";
const OUR_ORIGIN = "makes a browser keep something for our origin that only we may set";
const ASKS_FOR_OURS = "asks for a credential of upstream, which only the proxy has";
const OUR_CORS = "says which pages may read upstream's answers: the proxy says so for its own";
const STEERS_UPSTREAM = "asks for another path or method than the one that was judged";
const STEERS_FRONT = "tells the server in front of the proxy which file or address to send";

/**
 * The table. Each row's test is its line in `test/helpers/header-witnesses.ts`.
 * @internal exported for that test
 */
export const HEADER_RULES: HeaderRule[] = [
  { name: "connection", dropFrom: "both", why: HOP_BY_HOP },
  { name: "keep-alive", dropFrom: "both", why: HOP_BY_HOP },
  { name: "proxy-*", dropFrom: "both", why: HOP_BY_HOP },
  { name: "te", dropFrom: "both", why: HOP_BY_HOP },
  { name: "trailer", dropFrom: "both", why: HOP_BY_HOP },
  { name: "transfer-encoding", dropFrom: "both", why: "each side frames its own body" },
  { name: "upgrade", dropFrom: "both", why: HOP_BY_HOP },
  { name: "http2-settings", dropFrom: "both", why: HOP_BY_HOP },
  { name: "host", dropFrom: "request", why: "names the proxy" },
  { name: "expect", dropFrom: "request", why: "answered by the proxy" },

  { name: "x-proxy-*", dropFrom: "both", why: "is between the client and the proxy" },
  { name: "x-conversation-id", dropFrom: "request", why: "speaks to the proxy" },

  { name: "*authorization", dropFrom: "request", why: CREDENTIAL },
  { name: "cookie*", dropFrom: "request", why: "may hold an admin session" },
  { name: "*api-key", dropFrom: "request", why: CREDENTIAL },
  { name: "anthropic-*key", dropFrom: "request", why: CREDENTIAL },
  { name: "*subscription-key", dropFrom: "request", why: CREDENTIAL },
  { name: "x-functions-key", dropFrom: "request", why: CREDENTIAL },
  { name: "*-auth", dropFrom: "request", why: CREDENTIAL },
  { name: "x-auth-*", dropFrom: "request", why: CREDENTIAL },
  { name: "*-token", dropFrom: "request", why: CREDENTIAL },
  { name: "*-secret", dropFrom: "request", why: CREDENTIAL },
  { name: "*-password", dropFrom: "request", why: CREDENTIAL },
  { name: "*-jwt", dropFrom: "request", why: CREDENTIAL },
  { name: "*-jwt-assertion", dropFrom: "request", why: IDENTITY },
  { name: "x-amzn-oidc-*", dropFrom: "request", why: IDENTITY },
  { name: "x-ms-client-principal*", dropFrom: "request", why: IDENTITY },
  { name: "x-ms-token-*", dropFrom: "request", why: CREDENTIAL },
  { name: "x-goog-authenticated-*", dropFrom: "request", why: IDENTITY },
  { name: "*remote-user", dropFrom: "request", why: IDENTITY },

  { name: "openai-organization", dropFrom: "request", unless: "own credential", why: ACCOUNT },
  { name: "openai-project", dropFrom: "request", unless: "own credential", why: ACCOUNT },
  { name: "x-goog-user-project", dropFrom: "request", why: ACCOUNT },

  { name: "origin", dropFrom: "request", why: PAGE },
  { name: "referer", dropFrom: "request", why: PAGE },
  { name: "sec-*", dropFrom: "request", why: PAGE },
  { name: "dnt", dropFrom: "request", why: PAGE },
  { name: "upgrade-insecure-requests", dropFrom: "request", why: PAGE },

  { name: "via", dropFrom: "request", why: NETWORK },
  { name: "forwarded*", dropFrom: "request", why: NETWORK },
  { name: "x-forwarded*", dropFrom: "request", why: NETWORK },
  { name: "*-forwarded-for", dropFrom: "request", why: NETWORK },
  { name: "*-ip", dropFrom: "request", why: NETWORK },
  { name: "*-ip-*", dropFrom: "request", why: NETWORK },
  { name: "*remote-addr", dropFrom: "request", why: NETWORK },
  { name: "x-envoy-*", dropFrom: "request", why: NETWORK },
  { name: "x-azure-*", dropFrom: "request", why: NETWORK },
  { name: "x-appengine-*", dropFrom: "request", why: NETWORK },
  { name: "cloudfront-*", dropFrom: "request", why: NETWORK },
  {
    name: "cf-*",
    dropFrom: "request",
    why: "added by Cloudflare; tells about the client's network",
  },

  { name: "x-original-*", dropFrom: "request", why: STEERS_UPSTREAM },
  { name: "x-rewrite-url", dropFrom: "request", why: STEERS_UPSTREAM },
  { name: "x-http-method*", dropFrom: "request", why: STEERS_UPSTREAM },
  { name: "x-method-override", dropFrom: "request", why: STEERS_UPSTREAM },

  { name: "access-control-*", dropFrom: "both", why: OUR_CORS },
  { name: "cross-origin-*", dropFrom: "response", why: OUR_CORS },
  { name: "timing-allow-origin", dropFrom: "response", why: OUR_CORS },
  { name: "set-cookie*", dropFrom: "response", why: OUR_ORIGIN },
  { name: "www-authenticate", dropFrom: "response", why: ASKS_FOR_OURS },
  { name: "refresh", dropFrom: "response", why: "takes a browser from our origin to another page" },
  { name: "clear-site-data", dropFrom: "response", why: OUR_ORIGIN },
  { name: "strict-transport-security", dropFrom: "response", why: OUR_ORIGIN },
  { name: "public-key-pins*", dropFrom: "response", why: OUR_ORIGIN },
  { name: "expect-ct", dropFrom: "response", why: OUR_ORIGIN },
  { name: "nel", dropFrom: "response", why: OUR_ORIGIN },
  { name: "report-to", dropFrom: "response", why: OUR_ORIGIN },
  { name: "reporting-endpoints", dropFrom: "response", why: OUR_ORIGIN },
  { name: "accept-ch", dropFrom: "response", why: OUR_ORIGIN },
  { name: "critical-ch", dropFrom: "response", why: OUR_ORIGIN },
  { name: "service-worker-allowed", dropFrom: "response", why: OUR_ORIGIN },
  { name: "origin-agent-cluster", dropFrom: "response", why: OUR_ORIGIN },
  { name: "alt-svc", dropFrom: "response", why: "names upstream's other ports, not the proxy's" },
  { name: "x-accel-redirect", dropFrom: "response", why: STEERS_FRONT },
  { name: "*-sendfile*", dropFrom: "response", why: STEERS_FRONT },
  { name: "*-send-file", dropFrom: "response", why: STEERS_FRONT },
  { name: "x-reproxy-*", dropFrom: "response", why: STEERS_FRONT },
];

/** Whose headers they are. The account of a request is its key's own, or the proxy's. */
type Crossing = "request" | "request with an own credential" | "response";

function appliesTo({ dropFrom, unless }: HeaderRule, crossing: Crossing): boolean {
  if (crossing === "request with an own credential" && unless !== undefined) return false;
  return dropFrom === "both" || crossing.startsWith(dropFrom);
}

/** The rule's pattern as a regular expression; names hold nothing else that means something. */
const patternOf = (name: string) => name.replaceAll("*", ".*");

/** The answer for a name is remembered: there are few names, and each request has a dozen. */
const MAX_REMEMBERED = 1000;

function createRule(crossing: Crossing): (name: string) => boolean {
  const dropped = HEADER_RULES.filter((rule) => appliesTo(rule, crossing));
  const pattern = new RegExp(`^(?:${dropped.map(({ name }) => patternOf(name)).join("|")})$`);
  const remembered = new Map<string, boolean>();
  return (name) => {
    const known = remembered.get(name);
    if (known !== undefined) return known;
    const crosses = !pattern.test(name);
    if (remembered.size < MAX_REMEMBERED) remembered.set(name, crosses);
    return crosses;
  };
}

const CROSSES: Record<Crossing, (name: string) => boolean> = {
  request: createRule("request"),
  "request with an own credential": createRule("request with an own credential"),
  response: createRule("response"),
};

/** Others choose the names: `__proto__` is a header like others. */
const emptyHeaders = () => Object.create(null) as Record<string, string>;

/**
 * The headers that cross, names in lower case. Names that `Connection` lists are hop-by-hop too,
 * and stay behind.
 */
export function crossingHeaders(
  headers: Iterable<[string, string]>,
  crossing: Crossing,
): Record<string, string> {
  const crosses = CROSSES[crossing];
  const kept = emptyHeaders();
  let named: string[] = [];
  for (const [name, value] of headers) {
    if (name === "connection") named = value.split(",").map((token) => token.trim().toLowerCase());
    if (crosses(name)) kept[name] = value;
  }
  for (const name of named) delete kept[name];
  return kept;
}

/** Headers of an answer whose body is not upstream's any more. */
export function withoutBodyHeaders(headers: Record<string, string>): Record<string, string> {
  const {
    "content-length": _length,
    "content-encoding": _encoding,
    etag: _etag,
    "content-md5": _md5,
    digest: _digest,
    ...rest
  } = headers;
  return rest;
}
