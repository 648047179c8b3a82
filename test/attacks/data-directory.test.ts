/** What lies in the data directory: whose it is, what it says, and what another key makes of it. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { randomBytes } from "node:crypto";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { askOfficially, conversationTitled } from "../helpers/own-client.ts";
import { adminCall, chat, dataDirectory } from "../helpers/own-proxy.ts";
import { healthOf } from "../helpers/operator.ts";
import { startPostgres, type TestPostgres } from "../helpers/postgres-server.ts";
import { SETTINGS } from "../helpers/settings.ts";
import { startProcess } from "../helpers/start-target.ts";
import { recordOf } from "../helpers/turn-records.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

const QUESTION = "a question that nobody else may read";
const ANSWER = "an answer that nobody else may read";
const MORE = 0o077;
const FIRST_KEY = randomBytes(24).toString("base64url");
const SECOND_KEY = randomBytes(24).toString("base64url");

/** Everything in a directory, itself included. */
function everythingIn(directory: string): string[] {
  const below = readdirSync(directory, { recursive: true, encoding: "utf8" });
  return [directory, ...below.map((name) => join(directory, name))];
}

describe("files of the proxy", () => {
  it("are their user's alone, whatever the umask is, and MCP servers write as they always did", async () => {
    const home = mkdtempSync(join(tmpdir(), "proxy-modes-"));
    onTestFinished(() => rmSync(home, { recursive: true, force: true }));
    const path = join(home, "data");
    // A thread may not set it.
    const open =
      'import { isMainThread } from "node:worker_threads"; if (isMainThread) process.umask(0);';
    const preload = `data:text/javascript,${encodeURIComponent(open)}`;
    const args = ["--import", preload, "src/node/main.ts"];
    const env = { ...SETTINGS, HOST: "127.0.0.1", PORT: "0", DATA_DIR: path };
    const proxy = await startProcess(args, {
      env: { ...env, MCP_SIDECAR_STATE_DIR: join(home, "sidecar") },
      ready: /Listening on (http:\/\/[^\s"]+)/,
    });
    onTestFinished(() => proxy.stop("SIGKILL"));
    const { captured: url } = proxy;
    const upstream = await startUpstream(completion({ content: ANSWER }));
    const { key } = await adminCall<{ key: string }>(url, "/api-keys", {
      name: "one",
      openaiBaseUrl: upstream.url,
    });
    await askOfficially({ url, key }, { messages: [{ role: "user", content: QUESTION }] }, false);
    const modes = everythingIn(path).map((one) => [one, statSync(one).mode] as const);
    const others = modes.filter(([, mode]) => (mode & MORE) !== 0);
    expect(others.map(([one, mode]) => `${one} ${mode.toString(8)}`)).toEqual([]);
    const names = modes.map(([one]) => one.slice(path.length));
    for (const part of ["/spool", "/postgres/PG_VERSION", "/run/postgres.sock"])
      expect(names).toContain(part);
    expect(names.some((name) => name.endsWith(".ndjson"))).toBe(true);

    const written = join(home, "written.txt");
    const { id } = await adminCall<{ id: string }>(url, "/tools", {
      name: "write_file",
      type: "mcp",
      parameters: { type: "object" },
      mcpServerCommand: `npx @modelcontextprotocol/server-filesystem ${home}`,
    });
    await adminCall(url, `/tools/${id}/try`, { arguments: { path: written, content: "hello" } });
    expect(statSync(written).mode & 0o777, "a file of an MCP server").toBe(0o666);
    const state = everythingIn(join(home, "sidecar")).filter((one) => statSync(one).mode & MORE);
    expect(state).toEqual([]);
  });
});

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

/** A proxy with PostgreSQL elsewhere, whose record has to wait. */
async function waitingRecord() {
  const databaseUrl = await server.createDatabase();
  const client = postgres(databaseUrl, { max: 1, onnotice: () => undefined });
  onTestFinished(() => client.end({ timeout: 1 }));
  const directory = dataDirectory();
  const start = (env: Record<string, string> = {}) =>
    directory.start({ DATABASE_URL: databaseUrl, ENCRYPTION_KEY: FIRST_KEY, ...env });
  const proxy = await start();
  const upstream = await startUpstream(completion({ content: ANSWER }));
  const { key } = await adminCall<{ key: string }>(proxy.captured, "/api-keys", {
    name: "one",
    openaiBaseUrl: upstream.url,
  });
  await client.unsafe("begin; lock table turns in share mode");
  const answer = await chat(proxy.captured, key, QUESTION);
  expect(await answer.text()).toContain(ANSWER);
  const texts = () =>
    everythingIn(directory.path)
      .filter((one) => statSync(one).isFile())
      .map((one) => readFileSync(one, "utf8"));
  return { directory, proxy, start, client, texts };
}

describe("records that wait for the database", () => {
  it("say nothing to whoever reads the disk, and are written when the process is back", async () => {
    const { proxy, start, client, texts } = await waitingRecord();
    expect(texts().some((text) => /^s1\./m.test(text))).toBe(true);
    expect(texts().filter((text) => text.includes("nobody else may read"))).toEqual([]);
    await proxy.stop("SIGKILL");
    await client.unsafe("commit");
    const again = await start();
    const { messages } = await conversationTitled(again.captured, QUESTION);
    expect(messages.map(({ content }) => content)).toEqual([QUESTION, ANSWER]);
  });

  it("and were sealed under another ENCRYPTION_KEY are kept aside with the reason, and written under the old one", async () => {
    const { directory, proxy, start, client, texts } = await waitingRecord();
    await proxy.stop("SIGKILL");
    await client.unsafe("commit");
    const other = await start({ ENCRYPTION_KEY: SECOND_KEY });
    const aside = join(directory.path, "rejected.ndjson");
    const kept = () => texts().find((text) => text.includes("sealed under another ENCRYPTION_KEY"));
    await expect.poll(kept).toBeDefined();
    expect(readFileSync(aside, "utf8")).not.toContain("nobody else may read");
    expect(statSync(aside).mode & MORE).toBe(0);
    const { parts } = await healthOf(other.captured);
    expect(parts.records).toMatchObject({ status: "degraded", rejectedTurns: 1 });
    await other.stop();
    const again = await start();
    const { messages } = await conversationTitled(again.captured, QUESTION);
    expect(messages.map(({ content }) => content)).toEqual([QUESTION, ANSWER]);
    expect(kept()).toBeUndefined();
  });

  it("and are plain, because they are of before there was a seal, are written too", async () => {
    const directory = dataDirectory();
    const left = join(directory.path, "spool", `${hostname()}-999999999-0000abcd`);
    mkdirSync(left, { recursive: true });
    const messages = [{ role: "user", content: "from a version before" }];
    const record = recordOf("/v1/chat/completions", {
      id: crypto.randomUUID(),
      apiKeyId: crypto.randomUUID(),
      request: JSON.stringify({ model: "m", messages }),
      startedAt: Date.now(),
    });
    writeFileSync(join(left, "00000001.ndjson"), `${JSON.stringify(record)}\n`);
    const { captured: url } = await directory.start({
      DATABASE_URL: await server.createDatabase(),
    });
    const { status } = await conversationTitled(url, "from a version before");
    expect(status).toBe("completed");
  });
});
