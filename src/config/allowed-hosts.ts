/** Under which host names a browser may reach this server. */
import ipaddr from "ipaddr.js";
import { isLoopback } from "./loopback.ts";

/** Whether a host, as the URL parser spells it, is an address and no name. */
const isAddress = (host: string) =>
  host.startsWith("[") || ipaddr.IPv4.isValidFourPartDecimal(host);

/** An entry that begins with a dot stands for every name under it. */
const fits = (name: string, entry: string) =>
  entry.startsWith(".") ? name.endsWith(entry) : name === entry;

const withoutDot = (hostname: string) => hostname.replace(/\.$/, "");

/**
 * Whether a host is loopback, or one of those that are named.
 * @param hostname as the URL parser spells it: lower case, IPv6 in brackets
 */
export function isNamedHost(entries: readonly string[], hostname: string): boolean {
  const name = withoutDot(hostname);
  return isLoopback(name) || entries.some((entry) => fits(name, withoutDot(entry)));
}

/**
 * Whether a request under a host name is meant for this server. A web page can make a name of its
 * own lead to this machine (DNS rebinding) and is then of one origin with it; it can do so with
 * names only, so addresses are let through, and of names those that are this server's.
 * @param entries the names that are this server's, beside loopback
 * @param hostname as the URL parser spells it: lower case, IPv6 in brackets
 */
export function isAllowedHost(entries: readonly string[], hostname: string): boolean {
  return isAddress(withoutDot(hostname)) || isNamedHost(entries, hostname);
}
