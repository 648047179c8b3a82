import { expect, it } from "vitest";
import { clientAddressOf } from "../../src/config/client-address.ts";

const PROXY = "10.0.0.1";
const TRUSTED = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.9"];

const addressOf = (headers: Record<string, string>, peer = PROXY, trusted = TRUSTED) =>
  clientAddressOf(trusted, peer, (name) => headers[name] ?? null);
const behind = (list: string) => addressOf({ "x-forwarded-for": list });

it("a client is who is connected, whatever it says, where no proxy is trusted", () => {
  const forged = { "x-forwarded-for": "1.1.1.1", forwarded: "for=1.1.1.1" };
  expect(addressOf(forged, "203.0.113.5", [])).toBe("203.0.113.5");
  expect(addressOf(forged, "203.0.113.5")).toBe("203.0.113.5");
  expect(addressOf(forged, "::ffff:203.0.113.5")).toBe("203.0.113.5");
  expect(addressOf(forged, "unknown")).toBe("unknown");
});

it.each([
  ["203.0.113.5", "203.0.113.5"],
  ["1.1.1.1, 203.0.113.5", "203.0.113.5"],
  ["1.1.1.1, 203.0.113.5, 10.1.2.3", "203.0.113.5"],
  ["203.0.113.5:4711", "203.0.113.5"],
  ["1.1.1.1,[2001:db9::7]:443", "2001:db9::7"],
  ["2001:DB9:0::7", "2001:db9::7"],
  ["::ffff:203.0.113.5", "203.0.113.5"],
  ["192.0.2.9, 10.9.9.9", "192.0.2.9"],
  ["203.0.113.5, unknown", PROXY],
  ["203.0.113.5, 10.0.0.300", PROXY],
  ["203.0.113.5, ,", PROXY],
  ["203.0.113.5, 80", PROXY],
  ["203.0.113.5, 127.1", PROXY],
  ["", PROXY],
])("behind trusted proxies it is the nearest that is none of them: %s", (list, expected) => {
  expect(behind(list)).toBe(expected);
});

it("Forwarded says it where X-Forwarded-For does not", () => {
  const forwarded = 'for=1.1.1.1;proto=http, by=x;for="[2001:db9::7]:80", For=10.0.0.2';
  expect(addressOf({ forwarded })).toBe("2001:db9::7");
  expect(addressOf({ forwarded: "for=_hidden, for=10.0.0.2" })).toBe("10.0.0.2");
  expect(addressOf({ forwarded: "for=9.9.9.9", "x-forwarded-for": "8.8.8.8" })).toBe("8.8.8.8");
});

it("a mapped peer is known by its IPv4 address, and an IPv6 range is one", () => {
  const headers = { "x-forwarded-for": "203.0.113.5" };
  expect(addressOf(headers, "::ffff:10.0.0.1")).toBe("203.0.113.5");
  expect(addressOf(headers, "2001:db8::1")).toBe("203.0.113.5");
  expect(addressOf(headers, "2001:db9::1")).toBe("2001:db9::1");
});
