import { lookup as systemLookup } from "node:dns";
import type { LookupFunction } from "node:net";
import { Agent, buildConnector, fetch as undiciFetch } from "undici";
import type { Platform } from "../platform.ts";
import {
  AddressRefused,
  checkResolvedAddress,
  type AddressRules,
} from "../tools/addresses/address-policy.ts";

const CONNECT_LIMIT_MS = 10_000;

/**
 * Judges what a name was resolved to, in the same step in which it is connected to: a second answer
 * of DNS comes too late.
 */
function guarded(
  lookup: LookupFunction,
  check: (hostname: string, address: string) => string | null,
): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, options, (error, found, family) => {
      if (error) return callback(error, found, family);
      const addresses = typeof found === "string" ? [found] : found.map(({ address }) => address);
      const reason = addresses
        .map((address) => check(hostname, address))
        .find((refusal) => refusal !== null);
      if (reason === undefined) callback(null, found, family);
      else callback(new AddressRefused(reason), "", 0);
    });
  };
}

/**
 * Node's `fetchGuarded`. It does not look at `HTTP_PROXY`, as the other connections do not: a proxy
 * would resolve names itself.
 * @param lookup how names are resolved
 */
export function createGuardedFetch(
  rules: AddressRules,
  lookup: LookupFunction = systemLookup,
): { fetch: Platform["fetchGuarded"]; close(): Promise<void> } {
  const connectorOf = (isEncrypted: boolean) =>
    buildConnector({
      timeout: CONNECT_LIMIT_MS,
      lookup: guarded(lookup, (hostname, address) =>
        checkResolvedAddress(rules, { hostname, address, isEncrypted }),
      ),
    });
  const [plain, encrypted] = [connectorOf(false), connectorOf(true)];
  const agent = new Agent({
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: (options, callback) =>
      (options.protocol === "https:" ? encrypted : plain)(options, callback),
  });
  const fetch = (url: URL, init: RequestInit) =>
    undiciFetch(url, { ...(init as object), dispatcher: agent });
  return { fetch: fetch as unknown as Platform["fetchGuarded"], close: () => agent.destroy() };
}
