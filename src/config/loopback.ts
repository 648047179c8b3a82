import ipaddr from "ipaddr.js";

/**
 * Whether a host name or address, in brackets or not, reaches this machine only. Of names that is
 * `localhost` alone: what else a name leads to, as `127.evil.example`, is for its owner to say.
 */
export function isLoopback(host: string): boolean {
  const bare = host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
  if (bare === "localhost") return true;
  return ipaddr.isValid(bare) && ipaddr.process(bare).range() === "loopback";
}
