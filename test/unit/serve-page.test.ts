/** The admin page as it is built and served on Node. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { build } from "vite";
import { servePage } from "../../src/node/serve-page.ts";

const SECURITY_HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

const ROOT = resolve(import.meta.dirname, "../..");
/** Without charts and an editor, which are to load when they are needed. */
const MAX_PAGE_GZIP_BYTES = 250_000;

const parent = mkdtempSync(join(tmpdir(), "proxy-page-"));
const directory = join(parent, "admin");

beforeAll(async () => {
  // As it is shipped: with vitest's own NODE_ENV it would have React for development in it.
  vi.stubEnv("NODE_ENV", "production");
  await build({
    configFile: join(ROOT, "vite.config.ts"),
    logLevel: "warn",
    build: { outDir: directory },
  });
  writeFileSync(join(parent, "secret.js"), "outside of the page");
});

afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(parent, { recursive: true });
});

interface Wanted {
  method?: string;
  headers?: IncomingHttpHeaders;
  from?: string;
}

const get = (url: string, { method = "GET", headers = {}, from = directory }: Wanted = {}) =>
  servePage({ method, url, headers }, from);

async function page(url: string, wanted: Wanted = {}): Promise<Response> {
  const response = await get(url, wanted);
  if (response === null) throw new Error(`${url} is not answered by the page`);
  return response;
}

const assets = () => readdirSync(join(directory, "assets"));
const script = () => `/assets/${assets().find((name) => name.endsWith(".js")) ?? ""}`;

describe("the admin page", () => {
  it("is one document at each of its addresses, whatever the query", async () => {
    const index = readFileSync(join(directory, "index.html"), "utf8");
    for (const path of [
      "/",
      "/keys",
      "/tools",
      "/tools?tool=new",
      "/conversations",
      "/conversations/0190-abc",
      "/playground",
      "/settings",
    ]) {
      const response = await page(path);
      expect([response.status, response.headers.get("content-type")], path).toEqual([
        200,
        "text/html; charset=utf-8",
      ]);
      expect(await response.text()).toBe(index);
    }
  });

  it("leaves everything else to the API, unknown paths and other methods included", () => {
    const others = [
      "/v1/models",
      "/v1",
      "/api/admin/tools",
      "/api",
      "/mcp",
      "/mcp/x",
      "/health",
      "/metrics",
      "/nothing",
      "/conversations/a/b",
    ];
    for (const path of others) expect(get(path), path).toBeNull();
    expect(get("/_headers")).toBeNull();
    expect(get("/keys", { method: "POST" })).toBeNull();
    expect(get("/keys", { method: "OPTIONS" })).toBeNull();
  });

  it("lets browsers keep what has a hash in its name, and ask again for the document", async () => {
    for (const name of assets()) {
      const response = await page(`/assets/${name}`);
      expect(name).toMatch(/-[\w-]{8}\.(?:js|css)$/);
      expect(response.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
      expect(response.headers.get("content-type")).toBe(
        name.endsWith(".js") ? "text/javascript; charset=utf-8" : "text/css; charset=utf-8",
      );
    }
    const document = await page("/");
    expect(document.headers.get("cache-control")).toBe("no-cache");
    const again = await page("/", {
      headers: { "if-none-match": document.headers.get("etag") ?? "" },
    });
    expect([again.status, await again.text()]).toEqual([304, ""]);
    expect((await page("/favicon.svg")).headers.get("content-type")).toBe("image/svg+xml");
  });

  it("is compressed for those who take that, and has no body for HEAD", async () => {
    const plain = await page(script());
    const compressed = await page(script(), { headers: { "accept-encoding": "br, gzip" } });
    expect([
      plain.headers.get("content-encoding"),
      compressed.headers.get("content-encoding"),
    ]).toEqual([null, "gzip"]);
    expect(gunzipSync(await compressed.bytes()).equals(await plain.bytes())).toBe(true);
    const head = await page(script(), { method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([
      200,
      plain.headers.get("content-length"),
      "",
    ]);
  });

  it("answers 404, never the document, for a file that it does not have", async () => {
    for (const path of ["/assets/none.js", "/assets/", "/assets/x/y.js", "/none.js"]) {
      const response = await page(path);
      expect([response.status, response.headers.get("content-type")], path).toEqual([
        404,
        "text/plain; charset=utf-8",
      ]);
    }
  });

  it("gives out nothing that lies outside of it", async () => {
    const paths = [
      "/../secret.js",
      "/assets/../../secret.js",
      "/assets/..%2f..%2fsecret.js",
      "/%2e%2e/secret.js",
      "/..\\secret.js",
      "/.env",
      "/assets/.js",
    ];
    for (const path of paths) {
      const response = await get(path);
      expect(response?.status ?? 404, path).toBe(404);
    }
  });

  it("allows scripts and connections of its own origin only, in every answer", async () => {
    for (const path of ["/", script(), "/assets/none.js"]) {
      const { headers } = await page(path);
      for (const [name, value] of Object.entries(SECURITY_HEADERS))
        expect(headers.get(name), `${name} of ${path}`).toBe(value);
    }
  });

  it("has the same headers on Workers", () => {
    const rules = readFileSync(join(directory, "_headers"), "utf8").toLowerCase();
    for (const [name, value] of Object.entries(SECURITY_HEADERS))
      expect(rules).toContain(`  ${name}: ${value.toLowerCase()}\n`);
    expect(rules).toContain("/assets/*\n  cache-control: public, max-age=31536000, immutable\n");
  });

  it("has the same addresses on Workers", async () => {
    const rules = readFileSync(join(directory, "_redirects"), "utf8").split("\n");
    const routes = rules.filter((rule) => rule.startsWith("/")).map((rule) => rule.split(" "));
    expect(routes.map(([path]) => path)).toEqual([
      "/keys",
      "/tools",
      "/conversations",
      "/conversations/:id",
      "/playground",
      "/settings",
    ]);
    for (const [path = "", target, status] of routes) {
      expect([target, status]).toEqual(["/", "200"]);
      expect((await page(path)).headers.get("content-type")).toBe("text/html; charset=utf-8");
    }
  });

  it("works under that policy: nothing in the document is inline, or from elsewhere", () => {
    const index = readFileSync(join(directory, "index.html"), "utf8");
    expect(index).not.toMatch(/<style|\sstyle=|\son\w+=|https?:/);
    const scripts = [...index.matchAll(/<script([^>]*)>(.*?)<\/script>/gs)];
    expect(scripts.length).toBeGreaterThan(0);
    for (const [, attributes, content] of scripts)
      expect([attributes?.includes('src="/assets/'), content]).toEqual([true, ""]);
  });

  it(`loads in less than ${MAX_PAGE_GZIP_BYTES} bytes, compressed`, () => {
    const index = readFileSync(join(directory, "index.html"), "utf8");
    const first = [...index.matchAll(/(?:src|href)="\/([^"]+)"/g)].map(([, path = ""]) => path);
    // The largest view beside them, and what it shares with others; without charts and the editor.
    const views = assets().filter((name) =>
      /^(?:conversation-page|tool-card|read-record|jsx-runtime)-.*\.js$/.test(name),
    );
    const files = new Set(["index.html", ...first, ...views.map((name) => `assets/${name}`)]);
    const sizes = [...files].map(
      (name) => gzipSync(readFileSync(join(directory, name))).byteLength,
    );
    expect(sizes.reduce((total, size) => total + size, 0)).toBeLessThan(MAX_PAGE_GZIP_BYTES);
  });

  it("says what to do where it has not been built", async () => {
    for (const path of ["/", "/keys", script(), "/favicon.svg"]) {
      const response = await page(path, { from: join(parent, "not-built") });
      expect([response.status, response.headers.get("content-type")], path).toEqual([
        503,
        "text/plain; charset=utf-8",
      ]);
      expect(await response.text()).toContain("npm run build");
    }
    expect(get("/health", { from: join(parent, "not-built") })).toBeNull();
  });

  it("appears without a restart once it was built", async () => {
    const later = join(parent, "later");
    expect((await page("/", { from: later })).status).toBe(503);
    mkdirSync(later);
    symlinkSync(join(directory, "index.html"), join(later, "index.html"));
    expect((await page("/", { from: later })).status).toBe(200);
  });
});
