/** What tries the doors: names, forged addresses, guesses, odd values. */
import { expect, it } from "vitest";
import { dataDirectory } from "../helpers/own-proxy.ts";
import { rawRequest } from "../helpers/raw-http.ts";
import { ADMIN_PASSWORD } from "../helpers/settings.ts";
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

const signIn = (url: string, password: string, headers: Record<string, string> = {}) =>
  fetch(`${url}/api/admin/login`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ password }),
  });

it("a storm of guesses from one address is slow, bounded, and does not keep the operator out", async () => {
  const { captured } = await dataDirectory().start();
  const statuses = new Map<number, number>();
  const endsAt = performance.now() + stormLength({ ci: 5000, soak: 600_000 });
  const guess = async () => {
    while (performance.now() < endsAt) {
      const answer = await signIn(captured, "a guess");
      await answer.text();
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      if (answer.status === 429) await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const known = await signIn(captured, ADMIN_PASSWORD);
  const [, device = ""] = /(admin_device=[^;]+)/.exec(known.headers.get("set-cookie") ?? "") ?? [];
  const startedAt = performance.now();
  const storm = Array.from({ length: 50 }, guess);
  // In its midst: a browser that the operator has used before, and no other with that cookie.
  await new Promise((resolve) => setTimeout(resolve, 500));
  const [theirs, forged] = await Promise.all([
    signIn(captured, ADMIN_PASSWORD, { cookie: device }),
    signIn(captured, ADMIN_PASSWORD, { cookie: `${device}x` }),
  ]);
  expect([theirs.status, forged.status]).toEqual([200, 429]);
  await Promise.all(storm);
  const seconds = (performance.now() - startedAt) / 1000;
  // Five at once, four until the gaps are 3 s long, then one in 3 s; never a fault.
  expect(statuses.get(401) ?? 0).toBeLessThanOrEqual(12 + seconds / 3);
  expect(new Set(statuses.keys())).toEqual(new Set([401, 429]));

  const knockedAt = performance.now();
  const answer = await signIn(captured, ADMIN_PASSWORD);
  expect(answer.status).toBe(200);
  expect(performance.now() - knockedAt).toBeLessThan(5000);
});

it("behind a trusted proxy only the guesser is slow, and nobody can name another's address", async () => {
  const { captured } = await dataDirectory().start({ TRUSTED_PROXIES: "127.0.0.1" });
  const from = (list: string) => ({ "x-forwarded-for": list });
  const guesses = Array.from({ length: 9 }, (_, index) =>
    signIn(captured, "a guess", from(`198.51.100.${index}, 203.0.113.7`)),
  );
  const startedAt = performance.now();
  expect((await signIn(captured, ADMIN_PASSWORD, from("203.0.113.8"))).status).toBe(200);
  expect(performance.now() - startedAt).toBeLessThan(1500);
  expect((await Promise.all(guesses)).map(({ status }) => status)).toEqual(
    Array<number>(9).fill(401),
  );
  // Nine attempts of one address: the last has waited for the gaps of all.
  expect(performance.now() - startedAt).toBeGreaterThan(3500);
  const { token } = (await (
    await signIn(captured, ADMIN_PASSWORD, from("203.0.113.9"))
  ).json()) as {
    token: string;
  };
  const audit = await fetch(`${captured}/api/admin/audit?action=session.refused`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const { data } = (await audit.json()) as { data: { clientAddress: string }[] };
  expect(new Set(data.map(({ clientAddress }) => clientAddress))).toEqual(new Set(["203.0.113.7"]));
});
