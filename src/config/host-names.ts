/** Lists of hosts, as two variables have them. */
import ipaddr from "ipaddr.js";
import { listOf } from "./variable.ts";

/** Whether the URL parser takes the text for a host, and would not spell it otherwise. */
function isHostName(name: string): boolean {
  const address = `http://${name}`;
  return URL.canParse(address) && new URL(address).hostname === name;
}

/** Host names without ports. */
export const hostNames = listOf("host names, separated by commas", (name, fail) => {
  if (!isHostName(name))
    fail(
      `has "${name}", which is no host name: write names without scheme and port, ` +
        "separated by commas",
    );
  return name;
});

/** An address without its brackets, perhaps with the length of a network's prefix. */
const ADDRESS_OR_RANGE = /^(?:\[([\da-f:.]+)\]|([\da-f:.]+))(?:\/(\d{1,3}))?$/;

/** An address or a range in one spelling, or null. */
function addressOrRange(text: string): string | null {
  const [, bracketed, bare = "", length] = ADDRESS_OR_RANGE.exec(text) ?? [];
  const start = bracketed ?? bare;
  const isIpv6 = start.includes(":");
  const isAddress = isIpv6
    ? ipaddr.IPv6.isValid(start)
    : bracketed === undefined && ipaddr.IPv4.isValidFourPartDecimal(start);
  if (!isAddress) return null;
  const address = ipaddr.parse(start).toString();
  if (length === undefined) return address;
  return Number(length) > (isIpv6 ? 128 : 32) ? null : `${address}/${length}`;
}

/** IP addresses and ranges. */
export const addressRanges = listOf(
  "IP addresses and ranges, separated by commas",
  (given, fail) => {
    const range = addressOrRange(given);
    if (range === null)
      fail(
        `has "${given}", which is no IP address: write addresses or ranges (10.0.0.0/8), ` +
          "separated by commas",
      );
    return range ?? given;
  },
);

/** A host name that the URL parser does not take for an address. */
function nameOnly(text: string): string | null {
  const isName = /^[\da-z_.-]+$/.test(text) && isHostName(text) && !ipaddr.isValid(text);
  return isName ? text.replace(/\.$/, "") : null;
}

/** Names, IP addresses and ranges, each in the one spelling that the address policy compares. */
export const privateHosts = listOf(
  "host names, IP addresses and ranges, separated by commas",
  (given, fail) => {
    const host = addressOrRange(given) ?? nameOnly(given);
    if (host === null)
      fail(
        `has "${given}", which is no host: write names, IP addresses or ranges (10.0.0.0/8), ` +
          "without scheme and port, separated by commas",
      );
    return host ?? given;
  },
);
