/** IP addresses and ranges, in every spelling that URL parsers and resolvers know. */

/** An IP address: how many bits it has, and their value. */
export interface Address {
  bits: 32 | 128;
  value: bigint;
}

/** The addresses whose first `prefix` bits are those of `base`. */
export interface AddressRange {
  base: Address;
  prefix: number;
}

const LOOPBACK = "a loopback address";
const PRIVATE = "a private address";
const LINK_LOCAL = "a link-local address, where clouds keep their metadata";
const RESERVED = "a reserved address";
const MULTICAST = "a multicast address";
const UNSPECIFIED = "an unspecified address";

/**
 * What is not on the public internet, by the IANA special-purpose registries, first match first.
 */
const SPECIAL: [kind: string, ...ranges: string[]][] = [
  [UNSPECIFIED, "0.0.0.0/8", "::/128"],
  [LOOPBACK, "127.0.0.0/8", "::1/128"],
  [LINK_LOCAL, "169.254.0.0/16", "fe80::/10"],
  [
    PRIVATE,
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
    "fec0::/10",
    "64:ff9b:1::/48",
  ],
  ["a shared address of a provider's network (CGNAT)", "100.64.0.0/10"],
  // Azure's, the one that is not link-local.
  ["an address of cloud metadata", "168.63.129.16/32"],
  [MULTICAST, "224.0.0.0/4", "ff00::/8"],
  [
    RESERVED,
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
  ],
  [
    RESERVED,
    "::/96",
    "::ffff:0:0:0/96",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
    "5f00::/16",
  ],
];

/**
 * IPv6 ranges whose addresses stand for an IPv4 one, and how many bits follow it: mapped, NAT64,
 * 6to4.
 */
const EMBEDDING: [range: string, shift: bigint][] = [
  ["::ffff:0:0/96", 0n],
  ["64:ff9b::/96", 0n],
  ["2002::/16", 80n],
];

/**
 * An address as resolvers write it, or null; a zone (`%eth0`) is left out. An IPv6 address that
 * stands for an IPv4 one is that one.
 */
export function parseAddress(text: string): Address | null {
  const host = hostOf(text.replace(/%.*$/, ""));
  return host === null ? null : addressOfHost(host);
}

/**
 * The address that a URL's `hostname` is, or null where it is a name. The URL parser has put all
 * spellings into one.
 */
export function addressOfHost(hostname: string): Address | null {
  const address = exactAddress(hostname);
  const found =
    address === null ? undefined : embedding.find(({ range }) => contains(range, address));
  if (address === null || found === undefined) return address;
  return { bits: 32, value: (address.value >> found.shift) & 0xffff_ffffn };
}

/** `10.0.0.0/8`, `fd00::/8`, or a single address; null for anything else. */
export function parseRange(text: string): AddressRange | null {
  const [start = "", length] = text.split("/");
  const host = hostOf(start);
  const base = host === null ? null : exactAddress(host);
  return base === null ? null : { base, prefix: length === undefined ? base.bits : Number(length) };
}

/** Whether the address lies in the range. */
export function contains({ base, prefix }: AddressRange, { bits, value }: Address): boolean {
  const rest = BigInt(bits - prefix);
  return base.bits === bits && value >> rest === base.value >> rest;
}

/** What keeps an address from being a public one, as "a private address", or null. */
export function addressKind(address: Address): string | null {
  return special.find(({ range }) => contains(range, address))?.kind ?? null;
}

/**
 * An address or a name as it would stand in a URL, in the one spelling that the URL parser gives
 * it.
 */
function hostOf(text: string): string | null {
  const url = `http://${text.includes(":") ? `[${text}]` : text}`;
  return URL.canParse(url) ? new URL(url).hostname : null;
}

/** An IPv6 address remains one, whatever it stands for. */
function exactAddress(hostname: string): Address | null {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(hostname))
    return { bits: 32, value: joined(hostname.split("."), { radix: 10, bits: 8n }) };
  if (!hostname.startsWith("[")) return null;
  const [before = [], after = []] = hostname
    .slice(1, -1)
    .split("::")
    .map((part) => part.split(":").filter((group) => group !== ""));
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
  return { bits: 128, value: joined([...before, ...zeros, ...after], { radix: 16, bits: 16n }) };
}

function joined(digits: string[], { radix, bits }: { radix: number; bits: bigint }): bigint {
  return digits.reduce(
    (value, digit) => (value << bits) | BigInt(Number.parseInt(digit, radix)),
    0n,
  );
}

function knownRange(text: string): AddressRange {
  const range = parseRange(text);
  if (range === null) throw new Error(`${text} is no range of addresses.`);
  return range;
}

const embedding = EMBEDDING.map(([range, shift]) => ({ range: knownRange(range), shift }));
const special = SPECIAL.flatMap(([kind, ...ranges]) =>
  ranges.map((range) => ({ kind, range: knownRange(range) })),
);
