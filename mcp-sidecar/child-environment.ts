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

/** Of npm's own settings, those that run code or hold credentials stay behind. */
const WITHHELD =
  /^npm_config_(?:call|node_options|script_shell|shell|_.*|.*:_.*|.*token.*|.*password.*|otp|key|cert)$|^UV_PUBLISH_/i;

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
    if (INHERITED.has(name) || INHERITED_PREFIX.test(name)) environment[name] = value;
  }
  const directory = dirname(process.execPath);
  const path = (environment["PATH"] ?? "")
    .split(delimiter)
    .filter((entry) => entry !== "" && entry !== directory);
  environment["PATH"] = [directory, ...path].join(delimiter);
  return { ...environment, ...declared };
}
