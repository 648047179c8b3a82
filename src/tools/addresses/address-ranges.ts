/** What an IP address is, by the IANA special-purpose registries. */
import ipaddr from "ipaddr.js";

/** An IP address. */
export type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** The addresses whose first bits, as many as the number says, are those of the address. */
export type AddressRange = [Address, number];

const LOOPBACK = "a loopback address";
const UNSPECIFIED = "an unspecified address";

/** What is not on the public internet, first match first. */
const SPECIAL: Record<string, string[]> = {
  [UNSPECIFIED]: ["0.0.0.0/8", "::/128"],
  [LOOPBACK]: ["127.0.0.0/8", "::1/128"],
  "a link-local address, where clouds keep their metadata": ["169.254.0.0/16", "fe80::/10"],
  "a private address": [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
    "fec0::/10",
    "64:ff9b:1::/48",
  ],
  "a shared address of a provider's network (CGNAT)": ["100.64.0.0/10"],
  // Azure's, the one that is not link-local.
  "an address of cloud metadata": ["168.63.129.16/32"],
  "a multicast address": ["224.0.0.0/4", "ff00::/8"],
  "a reserved address": [
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "::/96",
    "::ffff:0:0:0/96",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
    "5f00::/16",
  ],
};

/**
 * IPv6 ranges whose addresses stand for an IPv4 one, and at which of their bytes it begins: mapped,
 * NAT64, 6to4.
 */
const EMBEDDING = [
  { range: "::ffff:0:0/96", start: 12 },
  { range: "64:ff9b::/96", start: 12 },
  { range: "2002::/16", start: 2 },
];

const special = Object.fromEntries(
  Object.entries(SPECIAL).map(([kind, ranges]) => [kind, ranges.map(ipaddr.parseCIDR)]),
);
const embedding = EMBEDDING.map(({ range, start }) => ({ range: ipaddr.parseCIDR(range), start }));

/**
 * An address as resolvers write it, or null; a zone (`%eth0`) is left out. An IPv6 address that
 * stands for an IPv4 one is that one.
 */
export function parseAddress(text: string): Address | null {
  const bare = text.replace(/%.*$/, "");
  return ipaddr.isValid(bare) ? innermost(ipaddr.parse(bare)) : null;
}

/**
 * The address that a URL's `hostname` is, or null where it is a name. The URL parser has put all
 * spellings into one, IPv6 in brackets.
 */
export function addressOfHost(hostname: string): Address | null {
  return parseAddress(hostname.replace(/^\[(.*)\]$/, "$1"));
}

/** `10.0.0.0/8`, `fd00::/8`, or a single address; null for anything else. */
export function parseRange(text: string): AddressRange | null {
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text);
  if (!ipaddr.isValid(text)) return null;
  const address = ipaddr.parse(text);
  return [address, address.kind() === "ipv4" ? 32 : 128];
}

/** Whether the address lies in the range. */
export function contains([base, prefix]: AddressRange, address: Address): boolean {
  return base.kind() === address.kind() && address.match(base, prefix);
}

/** What keeps an address from being a public one, as "a private address", or null. */
export function addressKind(address: Address): string | null {
  const kind = ipaddr.subnetMatch(address, special, "");
  return kind === "" ? null : kind;
}

/** The IPv4 address that an IPv6 one stands for; any other is itself. */
function innermost(address: Address): Address {
  const found = embedding.find(({ range }) => contains(range, address));
  if (found === undefined) return address;
  return new ipaddr.IPv4(address.toByteArray().slice(found.start, found.start + 4));
}
