import { and, arrayContains, eq, gte, isNull, lt, or, sql, type SQL } from "drizzle-orm";
import type { STATUSES } from "../../drizzle/columns.ts";
import { conversations } from "../../drizzle/schema.ts";
import { endpointGroup, endpointPattern } from "../record/endpoint-group.ts";
import type { ConversationRow } from "./conversation-row.ts";

/** What of a row alone can be asked for. */
interface RowFilter {
  apiKeyId: string;
  /** Empty: its latest request named none. */
  model: string;
  /** One of its turns ended so. */
  status: (typeof STATUSES)[number];
  /** Name of a tool that ran in it. */
  tool: string;
  /** That tool failed in it at least once; without `tool`, any tool. */
  toolStatus: "failed";
  /**
   * Where it began: a path, as `/v1/chat/completions`, or a group of paths as statistics have it,
   * as `/v1/files/{id}`.
   */
  endpoint: string;
  /** `request`: of an endpoint that has no conversations. */
  kind: ConversationRow["kind"];
  minDurationMs: number;
}

type Optional<Fields> = { [Name in keyof Fields]?: Fields[Name] | undefined };

/** Which conversations are wanted; what is not given does not narrow. */
export interface ConversationFilter extends Optional<RowFilter> {
  /** When it began: from this moment on. */
  from?: Date | undefined;
  /** When it began: before this moment. */
  to?: Date | undefined;
  /**
   * Words that occur in one message of it, the last of them as the start of a word; or a part of
   * its title. See `searchConversations`.
   */
  q?: string | undefined;
}

/** PostgreSQL's text holds neither NUL nor half a surrogate pair. */
export const storable = (text: string): string => text.replaceAll("\0", "").toWellFormed();

/** One thing that can be asked for, in the database and of a row that is at hand. */
interface Narrowing<Value> {
  condition(value: Value, filter: Optional<RowFilter>): SQL | undefined;
  fits(row: ConversationRow, value: Value, filter: Optional<RowFilter>): boolean;
}

/** Literal, and not a parameter: that is how an index of these rows alone is found. */
const hasStatus = (status: RowFilter["status"]) =>
  sql`${conversations.statuses} @> ${sql.raw(`'{${status}}'`)}`;

function ofEndpoint(endpoint: string): SQL | undefined {
  const path = conversations.endpoint;
  const isIt = eq(path, storable(endpoint));
  const pattern = endpointPattern(endpoint);
  if (pattern === null) return isIt;
  const { like, unlike } = pattern;
  return or(
    isIt,
    and(sql`${path} ~ ${like}`, unlike === null ? undefined : sql`${path} !~ ${unlike}`),
  );
}

const NARROWINGS: { [Name in keyof RowFilter]: Narrowing<RowFilter[Name]> } = {
  apiKeyId: {
    condition: (id) => eq(conversations.apiKeyId, id),
    fits: (row, id) => row.apiKeyId === id,
  },
  model: {
    condition: (model) =>
      model === "" ? isNull(conversations.model) : eq(conversations.model, storable(model)),
    fits: (row, model) => (row.model ?? "") === model,
  },
  status: {
    condition: hasStatus,
    fits: (row, status) => row.statuses.includes(status),
  },
  tool: {
    // The index has no rows without tools.
    condition: (tool) =>
      and(
        sql`${conversations.toolsUsed} <> '{}'`,
        arrayContains(conversations.toolsUsed, [storable(tool)]),
      ),
    fits: (row, tool) => row.toolsUsed.includes(tool),
  },
  toolStatus: {
    condition: (_status, { tool }) =>
      and(
        sql`${conversations.toolsFailed} <> '{}'`,
        tool === undefined ? undefined : arrayContains(conversations.toolsFailed, [storable(tool)]),
      ),
    fits: ({ toolsFailed }, _status, { tool }) =>
      tool === undefined ? toolsFailed.length > 0 : toolsFailed.includes(tool),
  },
  endpoint: {
    condition: ofEndpoint,
    fits: (row, endpoint) => row.endpoint === endpoint || endpointGroup(row.endpoint) === endpoint,
  },
  kind: {
    condition: (kind) => sql`${conversations.kind} = ${sql.raw(`'${kind}'`)}`,
    fits: (row, kind) => row.kind === kind,
  },
  minDurationMs: {
    condition: (least) => gte(conversations.durationMs, least),
    fits: (row, least) => row.durationMs >= least,
  },
};

/** What the filter asks for of a row, each with what decides it. */
function asked(filter: Optional<RowFilter>): [Narrowing<unknown>, unknown][] {
  return Object.entries(NARROWINGS).flatMap(([name, narrowing]) => {
    const value = filter[name as keyof RowFilter];
    return value === undefined ? [] : [[narrowing, value]];
  });
}

/** The filter as SQL, without its text, or undefined where it lets all through. */
export function conversationCondition(filter: ConversationFilter): SQL | undefined {
  const { from, to } = filter;
  return and(
    ...asked(filter).map(([narrowing, value]) => narrowing.condition(value, filter)),
    from === undefined ? undefined : gte(conversations.createdAt, from),
    to === undefined ? undefined : lt(conversations.createdAt, to),
  );
}

/**
 * Whether a row is one of those that {@link conversationCondition} finds. For filters without times
 * and text.
 */
export function isWanted(row: ConversationRow, filter: ConversationFilter): boolean {
  return asked(filter).every(([narrowing, value]) => narrowing.fits(row, value, filter));
}
