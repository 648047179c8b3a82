/**
 * Fills a migrated database with conversations, as a busy year would have left them: by SQL, in
 * minutes.
 */
import type postgres from "postgres";

/** How much is made. */
export interface Seed {
  conversations: number;
  /** Of how many conversations, of every 100, the messages have bodies. */
  withBodies: number;
}

const BATCH = 50_000;

/**
 * Helpers that live as long as the session. Ids are of version 7, as ours: in the order of time.
 */
const HELPERS = `
  create or replace function pg_temp.bench_id(kind text, number bigint, at timestamptz) returns uuid language sql immutable as $$
    select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '7' || substr(md5(kind || number), 1, 3)
      || '8' || substr(md5(kind || number), 4, 15))::uuid $$;
  create or replace function pg_temp.bench_words(length int, number bigint) returns text language sql volatile as $$
    select string_agg(word, ' ') from (
      select (array['the','of','a','to','and'])[1 + floor(random() * 5)::int] || ' w' || to_hex(floor(power(random(), 4) * 30000)::int + number * 0) as word
      from generate_series(1, length / 2)) words $$;`;

/**
 * Conversations number $1 to $2 of $3: the last year, spread evenly; keys, models and tools as
 * unevenly as they are used.
 */
const CONVERSATIONS = `
  create temporary table batch on commit drop as
    select number, pg_temp.bench_id('conversation', number, at) as id, at,
      md5('key' || floor(power(random(), 3) * 20))::uuid as api_key_id,
      (array['gpt-4.1-mini','gpt-4.1','gpt-5','gpt-5-mini','claude-sonnet-4-5','o4-mini'])[1 + floor(power(random(), 2) * 6)::int] as model,
      case when random() < 0.94 then 'completed' when random() < 0.7 then 'failed' else 'cancelled' end as status,
      case when random() < 0.3 then array['tool_' || floor(power(random(), 3) * 50)] else '{}' end as tools,
      floor(exp(6 + random() * 4))::int as duration,
      number % 100 < $4 as has_bodies
    from (select number, now() - interval '1 day' * 365 * (1 - number::float8 / $3) as at from generate_series($1::bigint, $2::bigint) number) numbered`;

const FROM_BATCH = [
  `insert into conversations (id, api_key_id, api_key_name, model, endpoint, title, status, message_count, tool_execution_count, turn_count,
     tools_used, prompt_tokens, completion_tokens, total_tokens, cost, duration_ms, created_at, updated_at)
   select id, api_key_id, 'key ' || left(api_key_id::text, 4), model, '/v1/chat/completions', 'Ticket ' || number || ' ' || pg_temp.bench_words(8, number),
     status, 4, cardinality(tools), 2, tools, 900, 300, 1200, 0.001, duration, at, at + interval '1 minute' from batch`,
  `insert into turns (id, conversation_id, parent_turn_id, api_key_id, model, streamed, status, http_status, duration_ms, tools_offered, tools_shadowed, started_at)
   select pg_temp.bench_id('turn' || turn, number, at + interval '30 seconds' * turn), id,
     case when turn = 1 then pg_temp.bench_id('turn0', number, at) end, api_key_id, model, true, status, 200, duration / 2, tools, '{}', at + interval '30 seconds' * turn
   from batch, generate_series(0, 1) turn`,
  `insert into rounds (turn_id, round, status, duration_ms)
   select pg_temp.bench_id('turn' || turn, number, at + interval '30 seconds' * turn), 1, status, duration / 2 from batch, generate_series(0, 1) turn`,
  `insert into messages (id, conversation_id, turn_id, position, role, hidden, round, created_at)
   select pg_temp.bench_id('message' || turn || '/' || position, number, at + interval '30 seconds' * turn), id,
     pg_temp.bench_id('turn' || turn, number, at + interval '30 seconds' * turn), position,
     (array['user','assistant'])[position + 1], false, nullif(position, 0), at + interval '30 seconds' * turn
   from batch, generate_series(0, 1) turn, generate_series(0, 1) position`,
  `insert into message_bodies (message_id, created_at, conversation_id, content, tool_calls)
   select pg_temp.bench_id('message' || turn || '/' || position, number, at + interval '30 seconds' * turn), at + interval '30 seconds' * turn, id,
     '"ticket' || number || ' ' || pg_temp.bench_words(60, number) || '"', 'null'
   from batch, generate_series(0, 1) turn, generate_series(0, 1) position where has_bodies`,
  `insert into tool_executions (id, conversation_id, turn_id, tool_id, tool_name, type, tool_call_id, round, failed, started_at, duration_ms)
   select pg_temp.bench_id('execution', number, at), id, pg_temp.bench_id('turn0', number, at), md5(tools[1])::uuid, tools[1], 'function', 'call_1', 1, false, at, 20
   from batch where cardinality(tools) > 0`,
];

/**
 * Seeds an empty, migrated database that has its partitions. Needs a superuser, because foreign
 * keys are not checked.
 * @param sql a client of one connection, because its session is set up for this
 * @param tell hears how far it is
 */
export async function seedConversations(
  sql: postgres.Sql,
  { conversations, withBodies }: Seed,
  tell: (line: string) => void,
): Promise<void> {
  await sql.unsafe(
    "set session_replication_role = replica; set synchronous_commit = off; set maintenance_work_mem = '1GB'",
  );
  await sql.unsafe(HELPERS);
  // Built once over all of it, which is many times faster than row by row.
  const [index] = await sql.unsafe<{ indexdef: string }[]>(
    "select indexdef from pg_indexes where indexname = 'message_bodies_search'",
  );
  await sql.unsafe("drop index message_bodies_search");
  for (let first = 1; first <= conversations; first += BATCH) {
    const last = Math.min(first + BATCH - 1, conversations);
    await sql.unsafe("begin");
    await sql.unsafe(CONVERSATIONS, [first, last, conversations, withBodies]);
    for (const statement of FROM_BATCH) await sql.unsafe(statement);
    await sql.unsafe("commit");
    tell(`${last} conversations`);
  }
  tell("building the search index");
  await sql.unsafe((index?.indexdef ?? "").replace(" ON ONLY ", " ON "));
  tell("vacuum analyze");
  await sql.unsafe("vacuum analyze");
}
