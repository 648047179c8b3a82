import { delimiter, dirname } from "node:path";

/**
 * What a process may inherit: finding programs and a home, language, certificates, proxies, and
 * where packages come from. Nothing else, because everything else may be a secret of the sidecar's
 * surroundings. Without the certificates and the registry, `npx` hangs in networks that need them
 * instead of failing.
 */
const INHERITED = new Set([
  "PATH",
  "HOME",
  "LANG",
  "TZ",
  "TMPDIR",
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "REQUESTS_CA_BUNDLE",
  "PIP_CERT",
  "PIP_INDEX_URL",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
]);
const INHERITED_PREFIX = /^(?:npm_config_|NPM_CONFIG_|UV_)/;

/**
 * Of the settings of npm and uv, those that run code or hold credentials stay behind: a server gets
 * them where its tool declares them.
 */
const WITHHELD =
  /^npm_config_(?:call|node_options|script_shell|shell|_.*|.*:(?!registry$).*|otp|key|keyfile|cert|certfile|email)$|^UV_(?:PUBLISH_.*|ENV_FILE)$|token|passw|secret|user(?:name)?$|auth|basic|credential|api_?key|client_cert/i;

/** Addresses, however a text has several: `name=https://…`, with spaces or commas between them. */
const ADDRESS = /(?<scheme>(?!file:)\b[a-z][\w+.-]*:\/\/)(?<rest>[^\s,"'<>]+)/gi;
const USER_INFO = /^[^/?#]*@/;
/** A password that was not encoded: up to the last "@", because what is before "/" has no port. */
const ODD_USER_INFO = /^[^/?#@:]*:(?!\d*(?:[/?#]|$)).*@/;
/** Proxies are also written without a scheme. */
const BARE_PROXY = /^[^/\s]*@/;
const IS_PROXY = /proxy$/i;

/** What follows an address's scheme, without a name and password, and what may follow its path. */
function withoutCredentials(rest: string): string {
  const pattern = USER_INFO.test(rest) ? USER_INFO : ODD_USER_INFO;
  return rest.replace(pattern, "").replace(/[?#].*$/, "");
}

/** A value that is inherited, without credentials in the addresses that it names. */
function inheritable(name: string, value: string): string {
  const bare = IS_PROXY.test(name) && !value.includes("//") ? value.replace(BARE_PROXY, "") : value;
  return bare.replace(
    ADDRESS,
    (_whole, scheme: string, rest: string) => scheme + withoutCredentials(rest),
  );
}

/**
 * The environment that is passed on to a process: the few inherited variables, `PATH` with this
 * Node's directory first (`npx` runs its server on the first `node` of its own `PATH`), and what is
 * declared for it.
 */
export function buildChildEnvironment(
  inherited: NodeJS.ProcessEnv,
  declared: Record<string, string>,
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(inherited)) {
    if (value === undefined || WITHHELD.test(name)) continue;
    if (INHERITED.has(name) || INHERITED_PREFIX.test(name))
      environment[name] = inheritable(name, value);
  }
  const directory = dirname(process.execPath);
  const path = (environment["PATH"] ?? "")
    .split(delimiter)
    .filter((entry) => entry !== "" && entry !== directory);
  environment["PATH"] = [directory, ...path].join(delimiter);
  return { ...environment, ...declared };
}
