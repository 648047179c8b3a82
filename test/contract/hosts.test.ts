import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { rawExchange, rawRequest, requestText } from "../helpers/raw-http.ts";
import { ADMIN_PASSWORD } from "../helpers/settings.ts";
import { json, startUpstream } from "../helpers/upstream.ts";

const PASSWORD = JSON.stringify({ password: ADMIN_PASSWORD });
const JSON_TYPE = { "content-type": "application/json" };

/** Routes that a page can make a browser ask, each as it would. */
const ROUTES = [
  { method: "POST", target: "/api/admin/login", headers: JSON_TYPE, body: PASSWORD },
  { method: "GET", target: "/api/admin/api-keys" },
  { method: "GET", target: "/api/admin/conversations/live" },
  { method: "POST", target: "/api/admin/tools/discover", headers: JSON_TYPE, body: "{}" },
  { method: "GET", target: "/api/admin/nothing" },
  { method: "GET", target: "/nothing" },
  { method: "GET", target: "/v1" },
  { method: "GET", target: "/v1/models" },
];

/** Names that are not this server's, though some look like it. */
const FOREIGN = [
  "rebound.example",
  "rebound.example.:3000",
  "REBOUND.example",
  "127.attacker.example",
  "127.0.0.1.nip.example",
  "localhost.evil.example",
  "evil-localhost",
  "workers.dev.example",
  "_.example",
];

/** Other spellings of what always leads here, for nobody can rebind an address. */
const OWN = [
  "localhost",
  "LOCALHOST:3000",
  "localhost.",
  "127.0.0.1:1",
  "127.9.9.9",
  "[::1]",
  "[::1]:3000",
  "192.0.2.7",
  "[2001:db8::7]:443",
];

/** Before the Worker, `wrangler dev` itself says 500 to what is no request. */
const refused = () => (proxy.target === "workerd" ? [400, 403, 500] : [400, 403]);

const codeOf = (body: string) => {
  const { error } = JSON.parse(body) as {
    error: { code: string | number; message: string; data?: { code: string } };
  };
  return error.data?.code ?? error.code;
};

describe("a request under a host name that is not this server's", () => {
  it.each(ROUTES)("is refused: $method $target", async (route) => {
    const headers = { ...route.headers, host: "rebound.example", origin: "http://rebound.example" };
    const answer = await rawRequest({ ...route, headers });
    expect([answer.status, codeOf(answer.body)], answer.body).toEqual([403, "host_not_allowed"]);
    expect(answer.body).toContain("ALLOWED_HOSTS");
    expect(answer.headers.get("set-cookie")).toBeNull();
    expect(answer.headers.get("x-proxy-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  });

  it("is not shown the page", async () => {
    // On Cloudflare the page's files never reach the Worker, and hold nothing that is not public.
    if (proxy.target === "workerd") return;
    for (const target of ["/", "/keys", "/settings", "/favicon.svg", "/assets/none.js"]) {
      const answer = await rawRequest({ target, headers: { host: "rebound.example" } });
      expect([answer.status, codeOf(answer.body)], target).toEqual([403, "host_not_allowed"]);
      expect((await rawRequest({ target })).status).not.toBe(403);
    }
  });

  it("is refused at /mcp, whatever key it has", async () => {
    const { key } = await proxy.createKey();
    for (const method of ["POST", "GET", "OPTIONS"]) {
      const answer = await rawRequest({
        method,
        target: "/mcp",
        headers: { ...JSON_TYPE, host: "rebound.example", authorization: `Bearer ${key}` },
      });
      expect([answer.status, codeOf(answer.body)]).toEqual([403, "host_not_allowed"]);
    }
  });

  it.each(FOREIGN)("is refused: %s", async (host) => {
    const answer = await rawRequest({ target: "/api/admin/api-keys", headers: { host } });
    expect([answer.status, codeOf(answer.body)]).toEqual([403, "host_not_allowed"]);
  });

  it("is refused where a proxy on the way says so", async () => {
    const told = [
      { "x-forwarded-host": "rebound.example" },
      { "x-forwarded-host": "localhost, rebound.example:8080" },
      { forwarded: "for=192.0.2.1;host=rebound.example" },
      { forwarded: 'for=192.0.2.1, for=192.0.2.2; host="rebound.example:80"' },
    ];
    for (const headers of told) {
      const answer = await rawRequest({ ...ROUTES[0], target: "/api/admin/login", headers });
      expect([answer.status, codeOf(answer.body)]).toEqual([403, "host_not_allowed"]);
    }
  });

  it("is refused when it is the target's, or one of two", async () => {
    const url = new URL(proxy.url);
    const absolute = await rawRequest({ target: "http://rebound.example/api/admin/api-keys" });
    const twice = requestText({ target: "/api/admin/api-keys" }).replace(
      "\r\n",
      "\r\nHost: rebound.example\r\n",
    );
    const [two] = await rawExchange(twice);
    expect(refused()).toContain(absolute.status);
    expect(refused()).toContain(two?.status);
    if (proxy.target === "workerd") return;
    const own = await rawRequest({ target: `http://${url.host}/api/admin/api-keys` });
    expect([own.status, codeOf(own.body)]).toEqual([401, "admin_session_required"]);
  });

  it("is no request at all where the host is none", async () => {
    for (const host of ["a b", "rebound.example/x", "x@127.0.0.1", "h\xF6st", "::1", "%6c"]) {
      const answer = await rawRequest({ target: "/api/admin/api-keys", headers: { host } });
      expect(refused(), `${host}: ${answer.status}`).toContain(answer.status);
    }
    const forwarded = { "x-forwarded-host": "127.0.0.1@rebound.example" };
    const answer = await rawRequest({ target: "/api/admin/api-keys", headers: forwarded });
    expect([answer.status, codeOf(answer.body)]).toEqual([400, "bad_request"]);
  });

  it("is answered where it comes with a key, or asks for the state: those are programs", async () => {
    const upstream = await startUpstream(json({ object: "list", data: [] }));
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url, openaiApiKey: "sk-x" });
    const host = "proxy.company.example";
    const authorization = `Bearer ${key}`;
    const models = await rawRequest({ target: "/v1/models", headers: { host, authorization } });
    expect(models.status, models.body).toBe(200);
    const wrong = { host, authorization: "Bearer sk-proxy-none" };
    expect((await rawRequest({ target: "/v1/models", headers: wrong })).status).toBe(401);
    const preflight = {
      host,
      origin: "https://app.example",
      "access-control-request-method": "GET",
    };
    const asked = await rawRequest({ method: "OPTIONS", target: "/v1/models", headers: preflight });
    expect(asked.status).toBe(204);
    expect((await rawRequest({ target: "/health", headers: { host } })).status).toBe(200);
    const watched = { host, authorization, "x-proxy-tool-events": "1" };
    const refused = await rawRequest({ target: "/v1/models", headers: watched });
    expect([refused.status, codeOf(refused.body)]).toEqual([403, "host_not_allowed"]);
  });
});

describe("a request under a name of this server", () => {
  it.each(OWN)("is answered: %s", async (host) => {
    const answer = await rawRequest({ target: "/api/admin/api-keys", headers: { host } });
    expect([answer.status, codeOf(answer.body)]).toEqual([401, "admin_session_required"]);
  });
});
