/** What tries the doors: names, forged addresses, guesses, odd values. */
import { expect, it } from "vitest";
import { dataDirectory } from "../helpers/own-proxy.ts";
import { rawRequest } from "../helpers/raw-http.ts";
import { stormLength } from "../helpers/storm-length.ts";

const TARGETS = ["/", "/api/admin/api-keys", "/mcp", "/nothing", "/v1/models"];
/** What is allowed, and what an attacker can own. */
const PARTS = ["localhost", "127.0.0.1", "proxy.example", "wild.example", "evil.example", "older"];
const BETWEEN = [
  ".",
  "-",
  "",
  "_",
  "..",
  ":80",
  ".:1",
  "%2e",
  "\u00AD",
  " ",
  ",",
  "@",
  "/",
  "#",
  "\\",
];

/** Numbers below a bound that are the same in each run (a linear congruence). */
function numbersBelow(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

/** What a browser's address bar would make of it: the name that it asks the DNS for. */
function askedName(host: string): string | null {
  const url = `http://${host.trim()}/`;
  return URL.canParse(url) ? new URL(url).hostname.replace(/\.$/, "") : null;
}

const OWN = /^(?:localhost|proxy\.example|older|.+\.wild\.example|\d+\.\d+\.\d+\.\d+|\[.*\])$/;

it("no spelling of a host opens a door under a name that somebody else can own", async () => {
  const { captured } = await dataDirectory().start({
    ALLOWED_HOSTS: "proxy.example, .wild.example",
    MCP_ALLOWED_HOSTS: "older",
  });
  const statusOf = async (target: string, host: string) =>
    (await rawRequest({ target, headers: { host } }, captured)).status;

  for (const host of ["proxy.example", "PROXY.example.:443", "a.wild.example", "older:3000"])
    for (const target of TARGETS) expect(await statusOf(target, host), host).not.toBe(403);
  for (const host of ["wild.example", "notproxy.example", "xwild.example", "127.evil.example"])
    for (const target of TARGETS) expect(await statusOf(target, host), host).toBe(403);

  const below = numbersBelow(20_261_127);
  const pick = (from: string[]) => from[below(from.length)] ?? "";
  const requests = stormLength({ ci: 500, soak: 50_000 });
  for (let sent = 0; sent < requests; sent += 1) {
    const host = `${pick(PARTS)}${pick(BETWEEN)}${pick(PARTS)}${pick(BETWEEN)}`;
    const name = askedName(host);
    const isOwn = name !== null && OWN.test(name);
    const status = await statusOf(pick(TARGETS), host);
    const isRight = isOwn ? status < 500 || status === 503 : [400, 403].includes(status);
    expect(isRight, `${host}: ${status}`).toBe(true);
  }
});

it("HOST is allowed by its name, and is no loopback for looking like it", async () => {
  const { captured } = await dataDirectory().start({ HOST: "localhost" });
  const url = captured.replace("[::1]", "localhost");
  for (const [host, status] of [
    ["localhost", 401],
    ["127.evil.example", 403],
  ] as const)
    expect(
      (await rawRequest({ target: "/api/admin/api-keys", headers: { host } }, url)).status,
    ).toBe(status);
});
