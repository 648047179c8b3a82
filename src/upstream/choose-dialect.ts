/** In which dialect upstream is asked, and what the record says of it. */
import type { Config } from "../config/read-config.ts";
import { chatDialect } from "../dialects/chat/chat-dialect.ts";
import type { Dialect, DialectRequest, Translation } from "../dialects/dialect.ts";
import { responsesDialect } from "../dialects/responses/responses-dialect.ts";
import { canTranslate, translationOf, type TurnTranslation } from "../dialects/translations.ts";

/** What an operator sets: a dialect, or that the proxy is to choose. */
type DialectSetting = Config["upstreamDialect"];

/** The setting that holds for a key: its own, or the server's. */
export const settingOf = (
  config: Config,
  key: { upstreamDialect: DialectSetting | null },
): DialectSetting => key.upstreamDialect ?? config.upstreamDialect;

/** What the choice depends on. */
export interface Choosing {
  /** The client's dialect. */
  client: Dialect;
  setting: DialectSetting;
}

/** What was chosen. */
export interface DialectChoice {
  /** The dialect in which upstream is asked, and how the client's becomes it. */
  spoken: Dialect;
  translation: TurnTranslation;
  /** What the record of the first round says of it, a sentence each. */
  notes: string[];
}

/** A reason for another dialect than the client's. */
export interface DialectReason {
  to: Dialect;
  /** Ends a sentence that begins with "because". */
  because: string;
}

interface Row extends DialectReason {
  applies(choosing: Choosing): boolean;
}

/** The first that applies decides. */
const ROWS: Row[] = [
  {
    to: chatDialect,
    because: "UPSTREAM_DIALECT or the key says so",
    applies: ({ setting }) => setting === "chat",
  },
  {
    to: responsesDialect,
    because: "UPSTREAM_DIALECT or the key says so",
    applies: ({ setting }) => setting === "responses",
  },
];

/** Why upstream should be asked in another dialect than the client's; null: it should not. */
export function foreignDialect(choosing: Choosing): DialectReason | null {
  const row = ROWS.find(({ applies }) => applies(choosing));
  return row === undefined || row.to.name === choosing.client.name ? null : row;
}

/**
 * The dialect for a request: the one that is wanted, or the client's own where it cannot be said in
 * that one.
 * @param request as the model is to see it
 * @param wanted from {@link foreignDialect}
 * @param table of translations
 */
export function chooseDialect(
  request: DialectRequest,
  wanted: DialectReason | null,
  table?: Translation[],
): DialectChoice {
  const client = request.dialect;
  const kept = (notes: string[]): DialectChoice => ({
    spoken: client,
    translation: translationOf(client, client, table),
    notes,
  });
  if (wanted === null) return kept([]);
  const { to, because } = wanted;
  const keptNote = (why: string) =>
    `Asked over ${client.name}, and not over ${to.name} (because ${because}): ${why}`;
  if (!canTranslate(client, to, table)) return kept([keptNote("there is no translation")]);
  const translation = translationOf(client, to, table);
  const refused = translation.refuses(request);
  if (refused !== null) return kept([keptNote(refused)]);
  const note = `Asked over ${to.name}, because ${because}`;
  return { spoken: to, translation, notes: [note, ...translation.dropped(request)] };
}
