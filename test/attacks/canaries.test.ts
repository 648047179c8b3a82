/**
 * Every place for a secret is seeded with one that is like no other, upstream and MCP servers
 * repeat whatever they were sent, in every spelling, and everything that leaves is searched.
 */
import { gzipSync } from "node:zlib";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { beforeAll, expect, it, onTestFinished } from "vitest";
import { canary, CanaryWatch, plainCanary, repeated } from "../helpers/canaries.ts";
import { dataDirectory } from "../helpers/own-proxy.ts";
import { startPostgres, type TestPostgres } from "../helpers/postgres-server.ts";
import { serveRaw } from "../helpers/remote-mcp.ts";
import { message, says } from "../helpers/responses-upstream.ts";
import { chunk, completion, startUpstream, toolCall, type Answer } from "../helpers/upstream.ts";
import { runSidecar, TOKEN } from "../sidecar/run-sidecar.ts";

type Json = Record<string, unknown>;

const SECRETS = {
  OPENAI_API_KEY: canary("openai"),
  JWT_SECRET: canary("jwt"),
  ADMIN_PASSWORD: canary("password"),
  ENCRYPTION_KEY: canary("encryption"),
  "the database's password": plainCanary("database"),
  "a password in OPENAI_BASE_URL": plainCanary("base-url"),
  "a key's upstream key": canary("own-key"),
  "a tool's header": canary("header"),
  "a tool's variable": canary("variable"),
  "a parameter in a server's address": plainCanary("query"),
};
const MCP_SIDECAR_TOKEN = TOKEN;

/** What upstream does, by what it is asked. */
const DEEDS: Record<string, (words: string) => Answer> = {
  "an error": (words) => (_request, response) =>
    void response
      .writeHead(400, { "content-type": "application/json", "x-echo": encodeURIComponent(words) })
      .end(JSON.stringify({ error: { message: words, type: "t", code: words } })),
  "a compressed error": (words) => (_request, response) =>
    void response
      .writeHead(500, { "content-type": "application/json", "content-encoding": "gzip" })
      .end(gzipSync(JSON.stringify({ error: { message: words } }))),
  "an error in pieces": (words) => async (_request, response) => {
    response.writeHead(429, { "content-type": "text/plain", "retry-after": "0" });
    for (const piece of words.match(/.{1,5}/gs) ?? []) {
      response.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    response.end();
  },
  "a page": (words) => (_request, response) =>
    void response.writeHead(403, { "content-type": "text/html" }).end(`<title>${words}</title>`),
  "an error with status 200": (words) => (_request, response) =>
    void response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify({ error: { message: words, code: "x" } })),
  "an error in a stream": (words) => (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`data: ${JSON.stringify(chunk({ content: "hi" }))}\n\n`);
    response.end(`data: ${JSON.stringify({ error: { message: words } })}\n\n`);
  },
  "a header": (words) => (request, response) => {
    response.setHeader("x-echo", request.headers.authorization ?? "");
    response.setHeader("x-words", words.replaceAll(/[^\x20-\x7e]/g, ""));
    void completion({ content: "fine" })(request, response);
  },
};

/** Repeats the credential that it was sent, and calls the tools that it is offered. */
const mirror: Answer = async (request, response) => {
  const asked = request.body.toString();
  const credential = request.headers.authorization ?? "";
  const all = `${repeated(credential)} ${repeated(credential.replace("Bearer ", ""))} ${JSON.stringify(request.headers)}`;
  const deed = Object.keys(DEEDS).find((name) => asked.includes(`"${name}"`));
  if (deed !== undefined) return DEEDS[deed]?.(all)(request, response);
  const isResponses = request.url.endsWith("/responses");
  if (asked.includes('"a good answer"'))
    return (isResponses ? says([message(all)]) : completion({ content: all }))(request, response);
  const { tools = [], messages = [] } = request.json() as { tools?: Json[]; messages?: Json[] };
  const isLater = messages.some(({ role }) => role === "tool");
  const calls = tools.map((tool, index) =>
    toolCall(`c${index}`, String((tool["function"] as Json)["name"]), {}),
  );
  if (calls.length > 0 && !isLater) return completion({ tool_calls: calls })(request, response);
  return completion({ content: "fine" })(request, response);
};

/** What a remote server says of the headers that it was sent, wherever it can say something. */
async function startMirror(): Promise<{ url: string }> {
  return serveRaw("legacy", ({ method, params }, headers) => {
    const words = repeated(headers["x-api-key"] ?? "") + repeated(headers["authorization"] ?? "");
    if (method === "tools/list") {
      const properties = { text: { type: "string", description: words } };
      const inputSchema = { type: "object", properties };
      return { result: { tools: [{ name: "mirror", description: words, inputSchema }] } };
    }
    if (params["name"] === "fails") return { error: { code: -32_000, message: words } };
    if (params["name"] === "denies") return { error: { code: -1, message: words }, status: 401 };
    return {
      result: { content: [{ type: "text", text: words }], structuredContent: { [words]: words } },
    };
  });
}

let database: TestPostgres;
beforeAll(async () => {
  database = await startPostgres();
  return () => database.stop();
});

/** A proxy that knows all the secrets, and an operator's session at it. */
async function startSeeded() {
  const upstream = await startUpstream(mirror);
  const sidecar = await runSidecar();
  onTestFinished(() => sidecar.end());
  const databaseUrl = new URL(await database.createDatabase());
  databaseUrl.password = SECRETS["the database's password"];
  const baseUrl = new URL(upstream.url);
  baseUrl.username = "user";
  baseUrl.password = SECRETS["a password in OPENAI_BASE_URL"];
  const directory = dataDirectory();
  const { JWT_SECRET, ADMIN_PASSWORD, ENCRYPTION_KEY, OPENAI_API_KEY } = SECRETS;
  const started = await directory.start({
    JWT_SECRET,
    ADMIN_PASSWORD,
    ENCRYPTION_KEY,
    OPENAI_API_KEY,
    OPENAI_BASE_URL: baseUrl.href,
    DATABASE_URL: databaseUrl.href,
    MCP_SIDECAR_URL: sidecar.url,
    MCP_SIDECAR_TOKEN,
    LOG_LEVEL: "debug",
  });
  const url = started.captured;
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ password: ADMIN_PASSWORD });
  const signedIn = await fetch(`${url}/api/admin/login`, { method: "POST", headers, body });
  expect(signedIn.status).toBe(200);
  const { token } = (await signedIn.json()) as { token: string };
  const admin = (path: string, json?: unknown): Promise<Response> =>
    fetch(`${url}/api/admin${path}`, {
      headers: { ...headers, authorization: `Bearer ${token}` },
      ...(json === undefined ? {} : { method: "POST", body: JSON.stringify(json) }),
    });
  const made = async (path: string, json: unknown) => {
    const answer = await admin(path, json);
    const text = await answer.text();
    expect(answer.status, text).toBe(201);
    return JSON.parse(text) as { id: string; key: string };
  };
  return { upstream, directory, started, url, token, admin, made, databaseUrl: databaseUrl.href };
}

type Seeded = Awaited<ReturnType<typeof startSeeded>>;

/** Tools whose servers repeat what they were given. */
async function makeTools({ made }: Seeded): Promise<string[]> {
  const server = new URL((await startMirror()).url);
  server.searchParams.set("api_key", SECRETS["a parameter in a server's address"]);
  const remote = (name: string, more: Json = {}) => ({
    name: `${name}_${crypto.randomUUID().slice(0, 8)}`,
    type: "mcp",
    description: "it",
    parameters: { type: "object" },
    mcpServerUrl: server.href,
    mcpToolName: name,
    mcpHeaders: {
      "x-api-key": SECRETS["a tool's header"],
      authorization: `Bearer ${SECRETS["a tool's header"]}`,
    },
    ...more,
  });
  const local = remote("mirror", {
    mcpServerUrl: null,
    mcpHeaders: null,
    mcpServerCommand: "npx faulty-server mirror",
    env: { SECRET: SECRETS["a tool's variable"] },
  });
  const ids: string[] = [];
  for (const tool of [remote("mirror"), remote("fails"), remote("denies"), local])
    ids.push((await made("/tools", tool)).id);
  return ids;
}

async function post(url: string, key: string, body: Json): Promise<string> {
  const answer = await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return JSON.stringify([...answer.headers]) + (await answer.text());
}

function ask(url: string, key: string, content: string, more: Json = {}): Promise<string> {
  const messages = [{ role: "user", content }];
  return post(`${url}/v1/chat/completions`, key, { model: "m", messages, ...more });
}

/** What the router answers to. */
async function askRouter(url: string, key: string, params: Json): Promise<string> {
  const answer = await fetch(`${url}/mcp`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }),
  });
  return answer.text();
}

function filesUnder(directory: string): string[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((one) => one.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}

/** All text of all tables, but for what is sealed or hashed. */
async function databaseText(databaseUrl: string): Promise<[string, string][]> {
  const sql = postgres(databaseUrl, { max: 1 });
  const tables = await sql<{ name: string }[]>`
    select table_name as name from information_schema.tables where table_schema = 'public'`;
  const texts: [string, string][] = [];
  for (const { name } of tables) {
    const rows = await sql.unsafe(`select to_jsonb(one)::text as text from "${name}" one`);
    texts.push([name, rows.map(({ text }) => String(text)).join("\n")]);
  }
  await sql.end();
  return texts;
}

const ADMIN_PATHS = [
  "/settings",
  "/session",
  "/api-keys",
  "/audit",
  "/stats",
  "/stats?groupBy=key",
  "/openapi.json",
  "/conversations",
  "/conversations/export",
  "/tools/servers",
];

it("no secret leaves, whatever upstream and MCP servers repeat", async () => {
  const seeded = await startSeeded();
  const { url, admin, made, started, directory, token } = seeded;
  const toolIds = await makeTools(seeded);
  const usual = await made("/api-keys", { name: "usual" });
  const own = await made("/api-keys", {
    name: "own",
    openaiBaseUrl: seeded.upstream.url,
    openaiApiKey: SECRETS["a key's upstream key"],
  });
  const tooled = await made("/api-keys", { name: "tooled", toolIds });
  const watch = new CanaryWatch({
    ...SECRETS,
    "a proxy key": usual.key,
    "another proxy key": tooled.key,
    "a session": token,
    "the sidecar's token": TOKEN,
  });

  for (const [name, { key }] of Object.entries({ usual, own, tooled })) {
    for (const deed of [...Object.keys(DEEDS), "hello"]) {
      for (const stream of [false, true]) {
        // What passes with status 200 passes byte for byte, where no tool loop reads it.
        const isRelayed = name !== "tooled" && /status 200|in a stream/.test(deed);
        const text = await ask(url, key, deed, { stream });
        if (!isRelayed) watch.look(`${name}: ${deed}, stream: ${stream}`, text);
      }
    }
    // A good answer passes as it is; what is kept of it is looked at below.
    await ask(url, key, "a good answer");
    await post(`${url}/v1/responses`, key, { model: "m", input: "a good answer" });
    watch.look(
      `${name}: /mcp`,
      await askRouter(url, key, { name: "chat", arguments: { prompt: "an error" } }),
    );
  }
  await ask(url, usual.key, `I was told ${usual.key} and ${SECRETS["OPENAI_API_KEY"]}`);
  for (const { body } of seeded.upstream.requests.slice(-1)) expect(body.length).toBeGreaterThan(0);
  for (const request of seeded.upstream.requests.filter(({ body }) =>
    /"role":"tool"/.test(body.toString()),
  ))
    watch.look("what the model is told", request.body.toString());

  for (const id of toolIds) {
    for (const json of [{ arguments: {} }, { arguments: { fails: true } }])
      watch.look("a trial", await (await admin(`/tools/${id}/try`, json)).text());
    watch.look("a check", await (await admin(`/tools/${id}/check`, {})).text());
  }
  const server = (await (await admin(`/tools/${toolIds[0]}`)).json()) as { mcpServerUrl: string };
  watch.look(
    "discovery",
    await (
      await admin("/tools/discover", {
        mcpServerUrl: server.mcpServerUrl,
        mcpHeaders: { "x-api-key": SECRETS["a tool's header"] },
      })
    ).text(),
  );
  watch.look("/health", await (await fetch(`${url}/health`)).text());
  for (const path of ADMIN_PATHS) watch.look(path, await (await admin(path)).text());
  const listed = (await (await admin("/conversations?limit=200")).json()) as { data: Json[] };
  expect(listed.data.length).toBeGreaterThan(20);
  for (const { id } of listed.data)
    watch.look("a conversation", await (await admin(`/conversations/${String(id)}`)).text());

  // The address of a server is the operator's own text, which is kept as it was typed.
  const isTyped = (line: string) =>
    /^a parameter in a server's address in (?:the table tools|a check):/.test(line);
  const texts = await databaseText(seeded.databaseUrl);
  for (const [table, text] of texts) watch.look(`the table ${table}`, text);
  for (const line of started.output) watch.look("the log", line);
  for (const path of filesUnder(directory.path)) watch.look(path, readFileSync(path, "latin1"));
  expect(started.output.length).toBeGreaterThan(5);
  const kept = texts.find(([table]) => table === "kept_responses");
  expect(kept?.[1], "a response that clients can ask for again").toContain("[secret]");
  expect(watch.found.filter((line) => !isTyped(line))).toEqual([]);
});

it("is seen to find what leaks", () => {
  const secret = canary("found");
  for (const text of repeated(secret).split(" ")) {
    const watch = new CanaryWatch({ secret });
    watch.look("here", text);
    expect(watch.found, text).toHaveLength(1);
  }
});
