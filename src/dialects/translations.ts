/** The table of translations between dialects: a row for each pair whose ends differ. */
import { chatToResponses } from "./between/chat-to-responses.ts";
import { responsesToChat } from "./between/responses-to-chat.ts";
import type { Dialect, DialectRequest, HistoryItem, Translation } from "./dialect.ts";

/** How one turn goes from the client's dialect to upstream's and back. */
export interface TurnTranslation {
  /** Why a request cannot go there, as the end of a sentence; null where it can. */
  refuses(request: DialectRequest): string | null;
  /** What of it is left out there, a sentence each: for the record. */
  dropped(request: DialectRequest): string[];
  toUpstream(request: DialectRequest): DialectRequest;
  toClient(items: HistoryItem[]): HistoryItem[];
}

const SAME: TurnTranslation = {
  refuses: () => null,
  dropped: () => [],
  toUpstream: (request) => request,
  toClient: (items) => items,
};

/** A row for each pair. One that is not here is nobody's to choose. */
const TRANSLATIONS: Translation[] = [chatToResponses, responsesToChat];

const rowOf = (client: Dialect, upstream: Dialect, table: Translation[]): Translation | undefined =>
  table.find(({ from, to }) => from === client.name && to === upstream.name);

/** Whether upstream can be asked in the second dialect for a client of the first. */
export const canTranslate = (
  client: Dialect,
  upstream: Dialect,
  table: Translation[] = TRANSLATIONS,
): boolean => client.name === upstream.name || rowOf(client, upstream, table) !== undefined;

/**
 * The translation between two dialects.
 * @param table of translations
 * @throws Error where the table has no such row: nobody may choose such a pair
 */
export function translationOf(
  client: Dialect,
  upstream: Dialect,
  table: Translation[] = TRANSLATIONS,
): TurnTranslation {
  if (client.name === upstream.name) return SAME;
  const row = rowOf(client, upstream, table);
  if (row === undefined)
    throw new Error(`There is no translation from ${client.name} to ${upstream.name}`);
  return {
    refuses: (request) => row.refuses(request),
    dropped: (request) => row.dropped(request),
    toUpstream: (request) => {
      const translated = upstream.readRequest(row.request(request));
      if (translated === null) throw new Error(`A translation to ${upstream.name} is no request`);
      return translated;
    },
    toClient: (items) => row.items(items),
  };
}
