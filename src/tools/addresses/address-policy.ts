/**
 * Which addresses a remote MCP server may have, so that no tool, no redirect and no DNS answer
 * opens the operator's own network.
 */
import { isLoopback } from "../../config/loopback.ts";
import type { Platform } from "../../platform.ts";
import {
  addressKind,
  addressOfHost,
  contains,
  parseAddress,
  parseRange,
} from "./address-ranges.ts";

/** The part of the configuration that decides. */
export type AddressRules = Pick<
  Platform["config"],
  "host" | "environment" | "mcpAllowedPrivateHosts"
>;

/**
 * An address that the policy refuses. The message is the reason, to be put after "is refused: ".
 */
export class AddressRefused extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "AddressRefused";
  }
}

/** What a refusal ends with. */
const REMEDY = "Name the host in MCP_ALLOWED_PRIVATE_HOSTS if it is meant.";
const PLAIN_HTTP = `it is plain http, which shows arguments, results and credentials to the network. Use https. ${REMEDY}`;

/** Names that mean this machine or the network around it, whatever a resolver says. */
const PRIVATE_SUFFIXES = ["localhost", "internal", "local", "localdomain", "home.arpa"];

const withoutDot = (hostname: string) => hostname.toLowerCase().replace(/\.$/, "");

/** An address of this machine, or a name that browsers and resolvers keep for it (RFC 6761). */
const isLoopbackHost = (hostname: string) =>
  isLoopback(hostname) || isUnder(withoutDot(hostname), "localhost");

const isUnder = (name: string, suffix: string) => name === suffix || name.endsWith(`.${suffix}`);

/**
 * In development on loopback the servers of the same machine are within reach: whoever can ask for
 * them is on it.
 */
const trustsLoopback = ({ environment, host }: AddressRules) =>
  environment === "development" && isLoopbackHost(host);

/** Whether the operator allowed this host by its name, or by its address where it is one. */
function isAllowedHost(rules: AddressRules, hostname: string): boolean {
  const address = addressOfHost(hostname);
  if (address !== null && rangesOf(rules).some((range) => contains(range, address))) return true;
  if (rules.mcpAllowedPrivateHosts.includes(withoutDot(hostname))) return true;
  return trustsLoopback(rules) && isLoopbackHost(hostname);
}

const rangesOf = ({ mcpAllowedPrivateHosts }: AddressRules) =>
  mcpAllowedPrivateHosts.map(parseRange).filter((range) => range !== null);

/**
 * Judges a URL by what is written in it.
 * @param options `resolves`: whether {@link checkResolvedAddress} will judge the address that its
 * name leads to; then names are left to it where the operator allowed whole ranges. `from`: the URL
 * that redirects to this one
 * @returns why it is refused, or null
 */
export function checkServerUrl(
  rules: AddressRules,
  url: URL,
  options: { resolves: boolean; from?: URL },
): string | null {
  if (url.protocol !== "https:" && url.protocol !== "http:")
    return `it is no address that starts with https://.`;
  const { hostname } = url;
  const isLed = options.from !== undefined && !isLoopbackHost(options.from.hostname);
  // What runs beside a developer's proxy is for the developer to ask, not for a server elsewhere to
  // point at.
  const own: AddressRules = isLed ? { ...rules, environment: "production" } : rules;
  if (isAllowedHost(own, hostname)) return null;
  const address = addressOfHost(hostname);
  const kind = address === null ? null : addressKind(address);
  if (kind !== null) return `${hostname} is ${kind}. ${REMEDY}`;
  const hasRanges = rules.mcpAllowedPrivateHosts.some((host) => host.includes("/"));
  const isLeftToConnecting = address === null && options.resolves && hasRanges;
  if (isLeftToConnecting) return null;
  if (address === null && PRIVATE_SUFFIXES.some((suffix) => isUnder(withoutDot(hostname), suffix)))
    return `${hostname} is a name of this machine or of a private network. ${REMEDY}`;
  return url.protocol === "http:" ? PLAIN_HTTP : null;
}

/**
 * Judges the address that is about to be connected to, so that a name cannot mean one address when
 * it is checked and another when it is used.
 * @param target `hostname`: as it stands in the URL; `address`: what it was resolved to
 * @returns why it is refused, or null
 */
export function checkResolvedAddress(
  rules: AddressRules,
  target: { hostname: string; address: string; isEncrypted: boolean },
): string | null {
  const { hostname, isEncrypted } = target;
  if (isAllowedHost(rules, hostname)) return null;
  const address = parseAddress(target.address);
  if (address === null) return `${hostname} leads to ${target.address}, which is no IP address.`;
  if (rangesOf(rules).some((range) => contains(range, address))) return null;
  const kind = addressKind(address);
  if (kind !== null) return `${hostname} leads to ${target.address}, which is ${kind}. ${REMEDY}`;
  return isEncrypted ? null : PLAIN_HTTP;
}
