/** `node bench/storage.ts [turns]`: what a growing chat takes in the database, turn by turn. */
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { startPostgres } from "../test/helpers/postgres-server.ts";
import { startProgram } from "./start-program.ts";
import { startProxy } from "./start-proxy.ts";

const turns = Number(process.argv[2] ?? 100);
const question = (turn: number) =>
  `Question ${turn}: ${"what did the quick brown fox do after it jumped over the lazy dog? ".repeat(6)}`;

const database = await startPostgres();
const url = await database.createDatabase();
const mock = await startProgram({ command: ["bench/mock-upstream.ts"], env: {}, place: "rest" });
const proxy = await startProxy({
  upstreamUrl: mock.url,
  databaseUrl: url,
  tools: 0,
  nodeOptions: [],
});
const sql = postgres(url, { max: 1 });
try {
  const messages: { role: string; content: string }[] = [];
  const ids = new Set<string>();
  for (let turn = 1; turn <= turns; turn++) {
    messages.push({ role: "user", content: question(turn) });
    const response = await fetch(`${proxy.program.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${proxy.plainKey}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "gpt-4.1-mini", messages }),
    });
    ids.add(response.headers.get("x-proxy-conversation-id") ?? "");
    const { choices } = (await response.json()) as { choices: { message: { content: string } }[] };
    messages.push({ role: "assistant", content: choices[0]?.message.content ?? "" });
  }
  const written = async () => Number((await sql`select count(*) from turns`)[0]?.["count"]);
  while ((await written()) < turns) await sleep(50);
  const perTurn = await sql<{ turn: number; messages: number; bytes: number }[]>`
    select row_number() over (order by t.started_at)::int turn, count(m.id)::int messages, sum(octet_length(b.content))::int bytes
    from turns t join messages m on m.turn_id = t.id join message_bodies b on b.message_id = m.id group by t.id, t.started_at order by t.started_at`;
  const [size] = await sql<{ bytes: number }[]>`
    select sum(pg_total_relation_size(oid))::int bytes from pg_class where relkind = 'r' and relname ~ '^(conversations|turns|rounds|messages|message_bodies)'`;
  const sent = messages.reduce((sum, { content }) => sum + content.length, 0);
  console.log(`${turns} turns, ${ids.size} conversation; the chat itself is ${sent} characters`);
  for (const at of [1, 2, Math.round(turns / 2), turns]) {
    const row = perTurn[at - 1];
    console.log(`turn ${at}: ${row?.messages} messages, ${row?.bytes} bytes of content`);
  }
  console.log(`content on record: ${perTurn.reduce((sum, { bytes }) => sum + bytes, 0)} bytes`);
  console.log(
    `tables with their indexes: ${size?.bytes} bytes, ${Math.round((size?.bytes ?? 0) / turns)} a turn`,
  );
} finally {
  await sql.end();
  await proxy.stop();
  await mock.stop();
  await database.stop();
}
