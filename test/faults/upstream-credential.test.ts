import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { adminCall } from "../helpers/own-proxy.ts";
import { rawRequest } from "../helpers/raw-http.ts";
import { startNodeProxy, type StartedProcess } from "../helpers/start-target.ts";

/** What any address of this machine was asked: host, path, and as whom. */
const asked: { host: string; url: string; authorization: string | null }[] = [];
const directory = mkdtempSync(join(tmpdir(), "proxy-credential-"));
let server: Server;
let started: StartedProcess;
let origin: string;

beforeAll(async () => {
  server = createServer(({ headers, url = "" }, response) => {
    asked.push({ host: headers.host ?? "", url, authorization: headers.authorization ?? null });
    response.end("{}");
  });
  // Every address of 127.0.0.0/8 is this machine: a host name that grew would be heard of too.
  await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const env = { DATA_DIR: directory, OPENAI_BASE_URL: origin, OPENAI_API_KEY: "sk-configured" };
  started = await startNodeProxy(env);
});
beforeEach(() => void (asked.length = 0));
afterAll(async () => {
  await started.stop("SIGKILL");
  server.closeAllConnections();
  server.close();
  rmSync(directory, { recursive: true, force: true });
});

async function askAs(fields: Record<string, unknown>, target = "/v1/models"): Promise<number> {
  const { captured: url } = started;
  const { key } = await adminCall<{ key: string }>(url, "/api-keys", { name: "a key", ...fields });
  const headers = { authorization: `Bearer ${key}` };
  return (await rawRequest({ target, headers }, url)).status;
}

const host = () => new URL(origin).host;

describe("the configured credential", () => {
  it.each([
    "/v1/models",
    "/v%31/models",
    "/v1%2Fmodels",
    "/%76%31//models/",
    "/v1/models#.evil.example",
  ])("goes to the configured origin and base path, for %s too", async (target) => {
    expect(await askAs({}, target)).toBe(200);
    expect(asked).toEqual([
      { host: host(), url: "/models", authorization: "Bearer sk-configured" },
    ]);
  });

  it.each(["/v1.evil.example/x", "/v1@evil.example/", "/v10/models", "/v1;x", "/v1:80/"])(
    "goes nowhere for %s",
    async (target) => {
      expect(await askAs({}, target)).toBe(404);
      expect(asked).toEqual([]);
    },
  );

  it("never goes to a key's own base URL, not even beside the configured one", async () => {
    for (const openaiBaseUrl of [`${origin}/own`, `${origin}/own/`, `${origin}/`, origin])
      expect(await askAs({ openaiBaseUrl })).toBe(200);
    expect(asked.map(({ authorization }) => authorization)).toEqual([null, null, null, null]);
    expect(asked.map(({ url }) => url)).toEqual([
      "/own/models",
      "/own/models",
      "/models",
      "/models",
    ]);
  });

  it("makes room for a key's own, at the configured place and at the key's", async () => {
    const openaiApiKey = "sk-of-the-key";
    expect(await askAs({ openaiApiKey })).toBe(200);
    expect(await askAs({ openaiApiKey, openaiBaseUrl: `${origin}/own` })).toBe(200);
    expect(asked).toEqual([
      { host: host(), url: "/models", authorization: "Bearer sk-of-the-key" },
      { host: host(), url: "/own/models", authorization: "Bearer sk-of-the-key" },
    ]);
  });

  it("is missed with a 503 that says so where OpenAI itself would be asked without one", async () => {
    expect(await askAs({ openaiBaseUrl: "https://api.openai.com/v1" })).toBe(503);
  });
});
