/**
 * How long the operator waits for a list among many conversations: `node bench/lists.ts
 * [conversations]`. On a PostgreSQL that it starts and fills, or on the seeded one that
 * DATABASE_URL names; through HTTP, as the page asks.
 */
import postgres from "postgres";
import { openDatabase } from "../src/node/database/open-database.ts";
import { ensureBodyPartitions } from "../src/store/body-partitions.ts";
import { startPostgres } from "../test/helpers/postgres-server.ts";
import { seedConversations } from "./seed-conversations.ts";
import { startProxy } from "./start-proxy.ts";

const DAY_MS = 86_400_000;
const REQUESTS = 60;
const WARM_UP = 5;

const say = (line: string) => process.stderr.write(`${line}\n`);
const logger = { error: say, warn: say, info: () => undefined, debug: () => undefined };

async function seed(url: string, conversations: number): Promise<void> {
  const opened = await openDatabase({ databaseUrl: url, dataDir: "unused" }, logger);
  await ensureBodyPartitions(opened.database, 14, new Date(Date.now() - 366 * DAY_MS));
  await opened.close();
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  await seedConversations(sql, { conversations, withBodies: 25 }, say);
  await sql.end();
}

interface Found {
  data: { id: string; apiKeyId: string }[];
  nextCursor: string | null;
}

type Ask = (path: string) => Promise<{ body: unknown; ms: number }>;

async function openAsk(url: string): Promise<Ask> {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ password: "a password for measurements" });
  const { token } = (await (
    await fetch(`${url}/api/admin/login`, { method: "POST", headers, body })
  ).json()) as { token: string };
  return async (path) => {
    const startedAt = performance.now();
    const answer = await fetch(`${url}/api/admin${path}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const text = await answer.text();
    const ms = performance.now() - startedAt;
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
    return { body: JSON.parse(text) as unknown, ms };
  };
}

const ago = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString();

/**
 * What an operator does, by name; each function gives a path, another one each time where that
 * matters.
 */
async function questionsOf(
  ask: Ask,
  conversations: number,
): Promise<Record<string, (index: number) => string>> {
  const list = (await ask("/conversations?limit=200")).body as Found;
  const keys = [...new Set(list.data.map(({ apiKeyId }) => apiKeyId))];
  const [busy, quiet] = [keys[0] ?? "", keys.at(-1) ?? ""];
  const deep = (await ask(`/conversations?limit=200&to=${ago(180)}`)).body as Found;
  const ids = [...list.data, ...deep.data].map(({ id }) => id);
  const number = (index: number) =>
    100 * (1 + ((index * 7919) % Math.floor(conversations / 100 - 1))) + (index % 25);
  return {
    newest: () => "/conversations",
    "next page, half a year back": () => `/conversations?cursor=${deep.nextCursor}`,
    "one key": (index) => `/conversations?apiKeyId=${index % 2 === 0 ? busy : quiet}`,
    "one model": () => "/conversations?model=gpt-4.1-mini",
    failed: () => "/conversations?status=failed",
    "failed, one key": () => `/conversations?status=failed&apiKeyId=${quiet}`,
    "a common tool": () => "/conversations?tool=tool_0",
    "a rare tool": () => "/conversations?tool=tool_49",
    "a tool, one key, failed": () => `/conversations?tool=tool_30&status=failed&apiKeyId=${quiet}`,
    "longer than 10 s": () => "/conversations?minDurationMs=10000",
    "longer than 22 s": () => "/conversations?minDurationMs=22000",
    "one month": () => `/conversations?from=${ago(100)}&to=${ago(70)}`,
    "no such model": () => "/conversations?model=no-such-model",
    "search: a rare word": (index) => `/conversations?q=ticket${number(index)}`,
    "search: a word of 1 in 55 messages": () => "/conversations?q=w1a4",
    "search: a common word": () => "/conversations?q=the",
    "search: two words": () => "/conversations?q=w1+w2a",
    "search: no such word": () => "/conversations?q=nosuchword",
    "search: a common word, one month": () => `/conversations?q=the&from=${ago(100)}&to=${ago(70)}`,
    "search: a rare word, one key": (index) =>
      `/conversations?q=ticket${number(index)}&apiKeyId=${busy}`,
    "open one": (index) => `/conversations/${ids[(index * 31) % ids.length]}`,
  };
}

const percentile = (sorted: number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;

async function measure(ask: Ask, conversations: number): Promise<void> {
  console.log("| what | rows | p50 ms | p95 ms |\n| --- | ---: | ---: | ---: |");
  for (const [name, path] of Object.entries(await questionsOf(ask, conversations))) {
    const times: number[] = [];
    let rows = 0;
    for (let index = 0; index < WARM_UP + REQUESTS; index++) {
      const { body, ms } = await ask(path(index));
      rows = (body as Partial<Found>).data?.length ?? 1;
      if (index >= WARM_UP) times.push(ms);
      // What takes seconds is known after a few times.
      if (ms > 500 && times.length >= 4) break;
    }
    times.sort((one, other) => one - other);
    console.log(
      `| ${name} | ${rows} | ${percentile(times, 0.5).toFixed(1)} | ${percentile(times, 0.95).toFixed(1)} |`,
    );
  }
}

const conversations = Number(process.argv[2] ?? 1_000_000);
const given = process.env["DATABASE_URL"];
const server = given === undefined ? await startPostgres() : null;
try {
  const databaseUrl = given ?? (await server?.createDatabase()) ?? "";
  if (server !== null) await seed(databaseUrl, conversations);
  const proxy = await startProxy({
    upstreamUrl: "http://127.0.0.1:9",
    databaseUrl,
    tools: 0,
    nodeOptions: [],
  });
  try {
    await measure(await openAsk(proxy.program.url), conversations);
  } finally {
    await proxy.stop();
  }
} finally {
  await server?.stop();
}
