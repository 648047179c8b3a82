/** The table of translations between dialects: a row for each pair whose ends differ. */
import type { Dialect, DialectRequest, HistoryItem, Translation } from "./dialect.ts";

/** How one turn goes from the client's dialect to upstream's and back. */
export interface TurnTranslation {
  toUpstream(request: DialectRequest): DialectRequest;
  toClient(items: HistoryItem[]): HistoryItem[];
}

const SAME: TurnTranslation = { toUpstream: (request) => request, toClient: (items) => items };

/** No two dialects are served yet that differ. */
const TRANSLATIONS: Translation[] = [];

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
  const row = table.find(({ from, to }) => from === client.name && to === upstream.name);
  if (row === undefined)
    throw new Error(`There is no translation from ${client.name} to ${upstream.name}`);
  return {
    toUpstream: (request) => {
      const translated = upstream.readRequest(row.request(request));
      if (translated === null) throw new Error(`A translation to ${upstream.name} is no request`);
      return translated;
    },
    toClient: (items) => row.items(items),
  };
}
