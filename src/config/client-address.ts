import ipaddr from "ipaddr.js";

/** An address of a header, perhaps quoted, in brackets, with a port. */
const NODE = /^"?(?:\[([\da-f:.]+)\]|([\d.]+)|([\da-f:]+(?:[\d.]+)?))(?::\d+)?"?$/i;
const FORWARDED_FOR = /^(?:.*;)?\s*for=("?[^";]*"?)/i;

type Headers = (name: string) => string | null;

/** An address in one spelling, or null where it is none. IPv6 that stands for IPv4 is IPv4. */
function addressOf(text: string): string | null {
  const [, bracketed, ipv4, ipv6] = NODE.exec(text.trim()) ?? [];
  const address = bracketed ?? ipv6 ?? "";
  if (ipv4 !== undefined) return ipaddr.IPv4.isValidFourPartDecimal(ipv4) ? ipv4 : null;
  return ipaddr.IPv6.isValid(address) ? ipaddr.process(address).toString() : null;
}

function isIn(address: string, entry: string): boolean {
  const [start = "", length] = entry.split("/");
  const [parsed, range] = [ipaddr.process(address), ipaddr.process(start)];
  if (parsed.kind() !== range.kind()) return false;
  return parsed.match(
    range,
    length === undefined ? range.toByteArray().length * 8 : Number(length),
  );
}

/**
 * Who a request came by, nearest last. `Forwarded` counts only where there is no `X-Forwarded-For`:
 * a proxy adds to one of the two, and lets through what a client wrote into the other.
 */
function hopsOf(header: Headers): string[] {
  const list = header("x-forwarded-for");
  if (list !== null) return list.split(",");
  const elements = header("forwarded")?.split(",") ?? [];
  return elements.map((element) => FORWARDED_FOR.exec(element)?.[1] ?? "");
}

/**
 * The address of the client: the one that is connected to us, or, where that is a proxy which the
 * operator trusts, the nearest one before it that is not. What stands further away in the headers
 * could have been written by anybody.
 * @param trusted addresses and ranges of proxies (`TRUSTED_PROXIES`)
 * @param peer the address that is connected to us
 */
export function clientAddressOf(trusted: string[], peer: string, header: Headers): string {
  if (trusted.length === 0) return peer;
  let known = addressOf(peer);
  if (known === null) return peer;
  for (const hop of hopsOf(header).toReversed()) {
    const near = known;
    if (!trusted.some((entry) => isIn(near, entry))) return near;
    const before = addressOf(hop);
    // Nobody can be found behind a hop that is hidden or no address.
    if (before === null) return near;
    known = before;
  }
  return known;
}
