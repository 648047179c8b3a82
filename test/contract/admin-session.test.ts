import { request } from "node:http";
import { SignJWT } from "jose";
import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { rawRequest } from "../helpers/raw-http.ts";
import { ADMIN_PASSWORD } from "../helpers/start-target.ts";
import { startUpstream } from "../helpers/upstream.ts";

const tools = () => `${proxy.url}/api/admin/tools`;

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/** A sign-in from an address of its own, so that its failures count against no other test. */
function signInFrom(lastByte: number, body: string): Promise<Answer> {
  const options = {
    method: "POST",
    // Node sees the first, workerd is told the second, as Cloudflare tells it.
    localAddress: `127.0.0.${lastByte}`,
    headers: { "content-type": "application/json", "cf-connecting-ip": `192.0.2.${lastByte}` },
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(`${proxy.url}/api/admin/login`, options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

const password = (text: string) => JSON.stringify({ password: text });

async function signIn(): Promise<{
  token: string;
  expiresAt: string;
  cookie: string;
  device: string;
}> {
  const { status, headers, body } = await signInFrom(2, password(ADMIN_PASSWORD));
  expect(status, body).toBe(200);
  const [cookie = "", device = ""] = headers["set-cookie"] ?? [];
  return { ...(JSON.parse(body) as { token: string; expiresAt: string }), cookie, device };
}

async function codeOf(answer: Response): Promise<[number, string]> {
  const { error } = (await answer.json()) as { error: { code: string } };
  return [answer.status, error.code];
}

describe("signing in", () => {
  it("gives a token for twelve hours, which opens the admin API", async () => {
    const { token, expiresAt } = await signIn();
    expect(expiresAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(Math.abs(Date.parse(expiresAt) - Date.now() - 12 * 3600 * 1000)).toBeLessThan(60_000);
    const answer = await fetch(tools(), { headers: { authorization: `Bearer ${token}` } });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("cache-control")).toBe("no-store");
  });

  it("is refused with a wrong password, and with none", async () => {
    const wrong = await signInFrom(3, password("not the password"));
    expect(wrong.status).toBe(401);
    expect(JSON.parse(wrong.body)).toEqual({
      error: {
        message: expect.any(String),
        type: "invalid_request_error",
        param: "password",
        code: "wrong_password",
      },
    });
    for (const body of [
      "{}",
      "",
      "{",
      password(ADMIN_PASSWORD).replace("}", ',"user":"x"}'),
      '{"password":1}',
    ]) {
      const { status, body: text } = await signInFrom(3, body);
      expect(status, `${body} → ${text}`).toBe(400);
    }
  });

  it("is slow after wrong passwords, however many come at the same time; and the right one gets in", async () => {
    const lastByte = 10 + Math.floor(Math.random() * 200);
    const startedAt = performance.now();
    const attempts = await Promise.all(
      Array.from({ length: 8 }, (_, index) => signInFrom(lastByte, password(`guess ${index}`))),
    );
    expect(attempts.map(({ status }) => status)).toEqual(Array<number>(8).fill(401));
    // A quarter of a second after five, then half, then one.
    expect(performance.now() - startedAt).toBeGreaterThan(1650);
    const elsewhere = performance.now();
    expect((await signInFrom(lastByte === 99 ? 98 : 99, password(ADMIN_PASSWORD))).status).toBe(
      200,
    );
    expect(performance.now() - elsewhere).toBeLessThan(1500);
    expect((await signInFrom(lastByte, password(ADMIN_PASSWORD))).status).toBe(200);
  });

  it("forgets wrong passwords after a right one", async () => {
    for (let round = 0; round < 3; round++) {
      for (let guess = 0; guess < 5; guess++)
        expect((await signInFrom(4, password("wrong"))).status).toBe(401);
      expect((await signInFrom(4, password(ADMIN_PASSWORD))).status).toBe(200);
    }
  });
});

describe("the admin API", () => {
  it("is closed without a session: every path, with an error that says how to get one", async () => {
    for (const path of ["/api-keys", "/tools", "/conversations", "/nothing", "/api-keys/x/tools"]) {
      const answer = await fetch(`${proxy.url}/api/admin${path}`);
      expect(await codeOf(answer), path).toEqual([401, "admin_session_required"]);
    }
    expect(
      await codeOf(await fetch(`${proxy.url}/api/admin/api-keys`, { method: "POST" })),
    ).toEqual([401, "admin_session_required"]);
  });

  it("gives answers, refusals among them, that nobody keeps, frames, embeds or takes for something else", async () => {
    const { token } = await signIn();
    const headers = { authorization: `Bearer ${token}` };
    const answers = [
      await fetch(tools(), { headers }),
      await fetch(tools()),
      await fetch(`${proxy.url}/api/admin/nothing`, { headers }),
      await fetch(`${tools()}?limit=none`, { headers }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 404, 400]);
    for (const answer of answers) {
      await answer.body?.cancel();
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
      });
    }
  });

  it("is not the only one whose answers are what they say they are", async () => {
    const upstream = await startUpstream((_request, response) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<script>");
    });
    const { key } = await proxy.createKey({ openaiBaseUrl: upstream.url });
    const headers = { authorization: `Bearer ${key}` };
    for (const path of ["/v1/files/x/content", "/v1/models", "/mcp", "/health", "/nothing"])
      for (const shown of [headers, {}]) {
        const answer = await fetch(`${proxy.url}${path}`, { headers: shown });
        await answer.body?.cancel();
        expect(answer.headers.get("x-content-type-options"), path).toBe("nosniff");
      }
  });

  it("takes no other token: forged, unsigned, expired, for another purpose, or a proxy key", async () => {
    const { token, device } = await signIn();
    const [, ofDevice = ""] =
      /^admin_device=([^;]+); .*Path=\/api\/admin\/login/.exec(device) ?? [];
    expect(ofDevice).not.toBe("");
    const [header, payload, signature = ""] = token.split(".");
    const none = btoa('{"alg":"none","typ":"JWT"}').replaceAll("=", "");
    const { key } = await proxy.createKey();
    const foreign = (secret: string) =>
      new SignJWT({ sub: "admin" })
        .setProtectedHeader({ alg: "HS256" })
        .setIssuedAt()
        .setExpirationTime("1h")
        .sign(new TextEncoder().encode(secret));
    const forged = [
      `${header}.${payload}.${signature.replace(/^./, (first) => (first === "A" ? "B" : "A"))}`,
      `${none}.${payload}.`,
      `${none}.${payload}.${signature}`,
      await foreign("some other secret"),
      await foreign("a secret for tests, long enough"),
      ofDevice,
      key,
      "x",
    ];
    for (const bad of forged) {
      expect(
        await codeOf(await fetch(tools(), { headers: { authorization: `Bearer ${bad}` } })),
        bad,
      ).toEqual([401, "admin_session_required"]);
    }
    expect(
      await codeOf(await fetch(tools(), { headers: { authorization: `Basic ${token}` } })),
    ).toEqual([401, "admin_session_required"]);
  });

  it("is open to the page by a cookie that scripts and other sites cannot use", async () => {
    const { cookie, token } = await signIn();
    expect(cookie).toContain(`admin_session=${token}`);
    expect(cookie).toMatch(/; HttpOnly/i);
    expect(cookie).toMatch(/; SameSite=Strict/i);
    expect(cookie).toMatch(/; Path=\//i);
    const headers = { cookie: `admin_session=${token}` };
    expect((await fetch(tools(), { headers })).status).toBe(200);

    const change = (origin: string | null) =>
      fetch(`${proxy.url}/api/admin/api-keys`, {
        method: "POST",
        headers: {
          ...headers,
          "content-type": "application/json",
          ...(origin === null ? {} : { origin }),
        },
        body: JSON.stringify({ name: "from the page" }),
      });
    expect((await change(new URL(proxy.url).origin)).status).toBe(201);
    expect((await change(null)).status).toBe(201);
    for (const origin of ["https://evil.example", "null", "http://127.0.0.1:1"]) {
      expect(await codeOf(await change(origin)), origin).toEqual([403, "forbidden_origin"]);
    }
  });

  it("is closed to other sites that make a browser send the cookie, whether it names their origin or not", async () => {
    const { token } = await signIn();
    const cookie = `admin_session=${token}`;
    const ask = async (method: string, headers: Record<string, string>) => {
      const target = "/api/admin/tools";
      // `fetch` would say a mode of its own.
      const { status, body } = await rawRequest({
        method,
        target,
        headers: { cookie, ...headers },
      });
      return new Response(body, { status });
    };
    for (const site of ["cross-site", "same-site"]) {
      const fetched = { "sec-fetch-site": site, "sec-fetch-mode": "no-cors" };
      for (const method of ["GET", "POST", "DELETE"])
        expect(await codeOf(await ask(method, fetched)), `${method} ${site}`).toEqual([
          403,
          "forbidden_origin",
        ]);
      const link = { "sec-fetch-site": site, "sec-fetch-mode": "navigate" };
      expect((await ask("GET", link)).status).toBe(200);
      expect(await codeOf(await ask("POST", link))).toEqual([403, "forbidden_origin"]);
    }
    for (const site of ["same-origin", "none"])
      expect((await ask("GET", { "sec-fetch-site": site })).status).toBe(200);
    const bearer = { authorization: `Bearer ${token}`, "sec-fetch-site": "cross-site" };
    expect((await fetch(tools(), { headers: bearer })).status).toBe(200);
  });

  it("lets nobody sign in, or out, from a page of another origin", async () => {
    for (const route of ["login", "logout"]) {
      const answer = await fetch(`${proxy.url}/api/admin/${route}`, {
        method: "POST",
        headers: { "content-type": "application/json", origin: "https://evil.example" },
        body: password(ADMIN_PASSWORD),
      });
      expect(await codeOf(answer), route).toEqual([403, "forbidden_origin"]);
    }
  });

  it("ends the page's session on request", async () => {
    const answer = await fetch(`${proxy.url}/api/admin/logout`, { method: "POST" });
    expect(answer.status).toBe(204);
    expect(answer.headers.get("set-cookie")).toMatch(/^admin_session=;.*Max-Age=0/i);
  });

  it("takes a token no more that was signed out, whether it came as a cookie or as a bearer", async () => {
    for (const shown of ["cookie", "bearer"]) {
      const { token } = await signIn();
      const headers: Record<string, string> =
        shown === "cookie"
          ? { cookie: `admin_session=${token}` }
          : { authorization: `Bearer ${token}` };
      expect((await fetch(tools(), { headers })).status).toBe(200);
      const url = `${proxy.url}/api/admin/logout`;
      expect((await fetch(url, { method: "POST", headers })).status).toBe(204);
      expect(await codeOf(await fetch(tools(), { headers }))).toEqual([
        401,
        "admin_session_required",
      ]);
      expect((await fetch(url, { method: "POST", headers })).status).toBe(204);
    }
  });
});
