/**
 * The admin page on Node: the files of `dist/admin`, and `index.html` for its client routes.
 * Workers assets do this on workerd.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { extname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

/** Where `vite build` puts the page. */
const PAGE_DIRECTORY = resolve(import.meta.dirname, "../../dist/admin");

const NOT_BUILT = "The admin page has not been built. Run: npm run build\n";

/**
 * What the page may do: only what comes from here. `admin-ui/public/_headers` says the same to
 * Workers assets.
 */
const SECURITY_HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
} as const;

/** How long browsers keep a file: names under `/assets/` change with their content. */
const IMMUTABLE = "public, max-age=31536000, immutable";
const REVALIDATE = "no-cache";

/** Files of other kinds are not served: `_headers`, which Workers assets read, is one. */
const CONTENT_TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".woff2": "font/woff2",
};

/**
 * Everything else is the app's: `/api`, `/v1`, `/mcp`, `/health`, `/metrics`, and what does not
 * exist.
 */
const CLIENT_ROUTE = /^\/(?:keys|tools|conversations(?:\/[^/]+)?|playground|settings)?$/;
/** No segment can begin with a dot, so none leads out of the directory. */
const FILE_PATH = /^\/(?:assets\/)?[\w-][\w.-]*$/;
const INDEX = "/index.html";

const isServed = (path: string) =>
  FILE_PATH.test(path) && Object.hasOwn(CONTENT_TYPES, extname(path));

const compress = promisify(gzip);

/** Whether an error says that there is no such file. */
const isMissing = (error: unknown) =>
  error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "EISDIR");

async function readIfThere(path: string): Promise<Buffer<ArrayBuffer> | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** What of a request decides its answer. */
type PageRequest = Pick<IncomingMessage, "method" | "url" | "headers">;

function plainAnswer(status: number, text: string): Response {
  return new Response(text, {
    status,
    headers: {
      ...SECURITY_HEADERS,
      "content-type": "text/plain; charset=utf-8",
      "cache-control": "no-store",
    },
  });
}

/**
 * A file as a response: 304 where the browser has it, compressed where it may be. `HEAD` has no
 * body.
 */
async function answerWithFile(
  file: { path: string; bytes: Buffer<ArrayBuffer> },
  { method, headers }: PageRequest,
): Promise<Response> {
  const type = CONTENT_TYPES[extname(file.path)] ?? "application/octet-stream";
  // Weak: the same page compressed or not.
  const etag = `W/"${createHash("sha256").update(file.bytes).digest("base64url").slice(0, 22)}"`;
  const caching = {
    "cache-control": file.path.startsWith("/assets/") ? IMMUTABLE : REVALIDATE,
    etag,
    vary: "accept-encoding",
  };
  if (headers["if-none-match"]?.includes(etag) === true)
    return new Response(null, { status: 304, headers: { ...SECURITY_HEADERS, ...caching } });
  const isCompressed =
    /^text\/|svg/.test(type) && /\bgzip\b/.test(headers["accept-encoding"] ?? "");
  const body = isCompressed ? await compress(file.bytes) : file.bytes;
  const encoding = isCompressed ? { "content-encoding": "gzip" } : {};
  return new Response(method === "HEAD" ? null : body, {
    headers: {
      ...SECURITY_HEADERS,
      ...caching,
      ...encoding,
      "content-type": type,
      "content-length": String(body.byteLength),
    },
  });
}

/** A file of the page, which has to be built. */
async function answerWith(
  path: string,
  request: PageRequest,
  directory: string,
): Promise<Response> {
  const bytes = isServed(path) ? await readIfThere(join(directory, path)) : null;
  if (bytes !== null) return answerWithFile({ path, bytes }, request);
  const isBuilt = path !== INDEX && (await readIfThere(join(directory, INDEX))) !== null;
  return isBuilt
    ? plainAnswer(404, "The admin page has no such file.\n")
    : plainAnswer(503, NOT_BUILT);
}

/**
 * Answers requests for the admin page: its files, and `index.html` at `/`, `/keys`, `/tools`,
 * `/conversations`, `/conversations/:id`, `/playground` and `/settings`. Null for every request
 * that is the app's. A missing asset is a 404, a page that was not built a 503 that says what to
 * do.
 */
export function servePage(
  request: PageRequest,
  directory: string = PAGE_DIRECTORY,
): Promise<Response> | null {
  const { method, url = "" } = request;
  // First, and cheap: nearly all requests are these.
  if (url.startsWith("/v1/") || (method !== "GET" && method !== "HEAD")) return null;
  const path = url.split("?", 1)[0] ?? "";
  if (CLIENT_ROUTE.test(path)) return answerWith(INDEX, request, directory);
  return isServed(path) || path.startsWith("/assets/")
    ? answerWith(path, request, directory)
    : null;
}
