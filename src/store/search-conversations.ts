import { and, gte, lt, sql, type SQL } from "drizzle-orm";
import { conversations, messageBodies } from "../../drizzle/schema.ts";
import { storable } from "./conversation-filter.ts";
import { CONVERSATION_COLUMNS, type ConversationRow } from "./conversation-row.ts";
import type { Database, Transaction } from "./database.ts";
import { newestFirst } from "./page.ts";

/** What is looked for. */
interface Search {
  text: string;
  /** From when on conversations are wanted, where that is said. */
  from: Date | null;
  /** Before when conversations were begun that are wanted now: a page's place. Null: the newest. */
  before: Date | null;
  /** What else they must be. */
  wanted: SQL | undefined;
  limit: number;
}

/**
 * Longest word of PostgreSQL's text search, in bytes. It fails a query that has a longer one, and
 * never stores one.
 */
const MAX_WORD_BYTES = 2046;
/** A record's clock may be behind that of the one that began the conversation. */
const CLOCK_SKEW_MS = 3_600_000;
/**
 * How far back is looked, one after the other, until a page is full. The index of words knows no
 * times: a common word has its newest places within days, among millions; a rare one has few,
 * wherever they are.
 */
const LOOKS_MS = [1, 14, 120].map((days) => days * 86_400_000);

/**
 * Words as `to_tsquery` takes them: each quoted, so that none is an operator, and the last as a
 * prefix. Null where no message can have them. Quotation marks and backslashes separate words, as
 * they do in what is searched.
 */
function searchQueryOf(text: string): string | null {
  const words = [...new Set<string>(text.split(/[\s"'\\]+/).filter((word) => word !== ""))];
  if (
    words.length === 0 ||
    words.some((word) => new TextEncoder().encode(word).byteLength > MAX_WORD_BYTES)
  )
    return null;
  return `${words.map((word) => `'${word}'`).join(" & ")}:*`;
}

const likePattern = (text: string) => `%${text.replace(/[\\%_]/g, "\\$&")}%`;

/** A part of the record. */
interface Look {
  /** Null: from the beginning. */
  since: Date | null;
  /** When conversations of it were begun: before this. Null: up to now. */
  end: Date | null;
  /** Whether it is so short that it costs little to find out how long its conversations lasted. */
  isShort: boolean;
}

/**
 * What messages of conversations of this part can be: no older than the part, and no newer than the
 * last change in it.
 */
function writtenIn({ since, end, isShort }: Look): SQL | undefined {
  if (since === null) return undefined;
  const start = new Date(since.getTime() - CLOCK_SKEW_MS);
  const isLater = gte(messageBodies.createdAt, start);
  if (end === null || !isShort) return isLater;
  const begun = and(gte(conversations.createdAt, start), lt(conversations.createdAt, end));
  return and(
    isLater,
    sql`${messageBodies.createdAt} <= (select max(${conversations.updatedAt}) from ${conversations} where ${begun})`,
  );
}

/** Conversations of a part of the record whose content or title has the text. */
function isFound(text: string, look: Look): SQL {
  const { since, end } = look;
  const ofTitle = and(
    sql`${conversations.title} ilike ${likePattern(text)}`,
    since === null ? undefined : gte(conversations.createdAt, since),
    end === null ? undefined : lt(conversations.createdAt, new Date(end.getTime() + 1)),
  );
  const inTitle = sql`select ${conversations.id} from ${conversations} where ${ofTitle}`;
  const query = searchQueryOf(text);
  if (query === null) return sql`${conversations.id} in (${inTitle})`;
  const ofContent = and(
    sql`message_search(${messageBodies.content}, ${messageBodies.toolCalls}) @@ to_tsquery('simple', ${query})`,
    writtenIn(look),
  );
  const ofRequest = and(
    sql`${conversations.content} is not null`,
    sql`request_search(${conversations.content}) @@ to_tsquery('simple', ${query})`,
    since === null ? undefined : gte(conversations.createdAt, since),
    end === null ? undefined : lt(conversations.createdAt, new Date(end.getTime() + 1)),
  );
  const inRequest = sql`select ${conversations.id} from ${conversations} where ${ofRequest}`;
  return sql`${conversations.id} in (select ${messageBodies.conversationId} from ${messageBodies} where ${ofContent} union all ${inTitle} union all ${inRequest})`;
}

/** The newest conversations that fulfil a condition. */
export async function newestConversations(
  database: Database | Transaction,
  wanted: SQL | undefined,
  limit: number,
): Promise<ConversationRow[]> {
  return database
    .select(CONVERSATION_COLUMNS)
    .from(conversations)
    .where(wanted)
    .orderBy(...newestFirst(conversations))
    .limit(limit);
}

/** The newest conversations in whose content or title a text is. */
export async function searchConversations(
  database: Database,
  { from, before, wanted, limit, ...search }: Search,
): Promise<ConversationRow[]> {
  const text = storable(search.text).trim();
  const end = before ?? new Date();
  const starts = LOOKS_MS.map((ms) => new Date(end.getTime() - ms)).filter(
    (start) => from === null || start > from,
  );
  for (const [index, since] of starts.entries()) {
    const found = isFound(text, { since, end: before, isShort: index === 0 });
    const rows = await newestConversations(
      database,
      and(wanted, gte(conversations.createdAt, since), found),
      limit,
    );
    if (rows.length === limit) return rows;
  }
  return newestConversations(
    database,
    and(wanted, isFound(text, { since: from, end: before, isShort: false })),
    limit,
  );
}
