/**
 * Which headers cross the proxy, as one table. Everything that is not listed passes, in both
 * directions: upstream knows headers that we do not.
 */
interface HeaderRule {
  /** A name in lower case, or a prefix that ends in `*`. */
  name: string;
  dropFrom: "request" | "response" | "both";
  why: string;
}

const HEADER_RULES: HeaderRule[] = [
  { name: "connection", dropFrom: "both", why: "hop-by-hop (RFC 9110, 7.6.1)" },
  { name: "keep-alive", dropFrom: "both", why: "hop-by-hop" },
  { name: "proxy-*", dropFrom: "both", why: "hop-by-hop" },
  { name: "te", dropFrom: "both", why: "hop-by-hop" },
  { name: "trailer", dropFrom: "both", why: "hop-by-hop" },
  { name: "transfer-encoding", dropFrom: "both", why: "hop-by-hop: each side frames its own body" },
  { name: "upgrade", dropFrom: "both", why: "hop-by-hop" },
  { name: "http2-settings", dropFrom: "both", why: "hop-by-hop" },
  { name: "host", dropFrom: "request", why: "names the proxy" },
  { name: "expect", dropFrom: "request", why: "answered by the proxy" },
  { name: "authorization", dropFrom: "request", why: "the proxy key; upstream gets its own" },
  { name: "api-key", dropFrom: "request", why: "a credential for the proxy, in Azure's spelling" },
  { name: "x-api-key", dropFrom: "request", why: "a credential for the proxy" },
  { name: "cookie", dropFrom: "request", why: "may hold an admin session" },
  { name: "x-proxy-*", dropFrom: "request", why: "speaks to the proxy" },
  { name: "x-conversation-id", dropFrom: "request", why: "speaks to the proxy" },
  { name: "forwarded", dropFrom: "request", why: "tells about the client's network" },
  { name: "x-forwarded-*", dropFrom: "request", why: "tells about the client's network" },
  { name: "x-real-ip", dropFrom: "request", why: "tells about the client's network" },
  {
    name: "cf-*",
    dropFrom: "request",
    why: "added by Cloudflare in front of the proxy; tells about the client's network",
  },
  {
    name: "set-cookie",
    dropFrom: "response",
    why: "an upstream cookie must not become one of the proxy's",
  },
  { name: "alt-svc", dropFrom: "response", why: "names upstream's other ports, not the proxy's" },
  {
    name: "strict-transport-security",
    dropFrom: "response",
    why: "promises TLS for upstream's host, not for the proxy's",
  },
];

type Direction = "request" | "response";

function lists(direction: Direction): { names: Set<string>; prefixes: string[] } {
  const rules = HEADER_RULES.filter(
    (rule) => rule.dropFrom === "both" || rule.dropFrom === direction,
  );
  return {
    names: new Set(rules.filter(({ name }) => !name.endsWith("*")).map(({ name }) => name)),
    prefixes: rules.filter(({ name }) => name.endsWith("*")).map(({ name }) => name.slice(0, -1)),
  };
}

/** The answer for a name is remembered: there are few names, and each request has a dozen. */
const MAX_REMEMBERED = 1000;

function createRule(direction: Direction): (name: string) => boolean {
  const { names, prefixes } = lists(direction);
  const remembered = new Map<string, boolean>();
  return (name) => {
    const known = remembered.get(name);
    if (known !== undefined) return known;
    const crosses = !names.has(name) && !prefixes.some((prefix) => name.startsWith(prefix));
    if (remembered.size < MAX_REMEMBERED) remembered.set(name, crosses);
    return crosses;
  };
}

const CROSSES = { request: createRule("request"), response: createRule("response") };

/**
 * The headers that cross, names in lower case. Names that `Connection` lists are hop-by-hop too,
 * and stay behind.
 */
export function crossingHeaders(
  headers: Iterable<[string, string]>,
  direction: Direction,
): Record<string, string> {
  const crosses = CROSSES[direction];
  const crossing: Record<string, string> = {};
  let named: string[] = [];
  for (const [name, value] of headers) {
    if (name === "connection") named = value.split(",").map((token) => token.trim().toLowerCase());
    if (crosses(name)) crossing[name] = value;
  }
  for (const name of named) delete crossing[name];
  return crossing;
}
