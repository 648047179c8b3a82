/** In which dialect upstream is asked, and what the record says of it. */
import type { Config } from "../config/read-config.ts";
import { chatDialect } from "../dialects/chat/chat-dialect.ts";
import type { Dialect, DialectRequest, Translation } from "../dialects/dialect.ts";
import { responsesDialect } from "../dialects/responses/responses-dialect.ts";
import { canTranslate, translationOf, type TurnTranslation } from "../dialects/translations.ts";
import type { UpstreamRefusal } from "../openai/upstream-error.ts";
import { isRefusalOfTools, takesNoTools } from "./chat-without-tools.ts";
import type { Platform } from "../platform.ts";
import { knownDialects, type KnownDialects } from "./known-dialects.ts";
import { lacksResponses } from "./lacks-responses.ts";
import { baseUrlOf } from "./pick-upstream.ts";

/** What an operator sets: a dialect, or that the proxy is to choose. */
type DialectSetting = Config["upstreamDialect"];

/** What the choice depends on. */
export interface Choosing {
  /** The client's dialect. */
  client: Dialect;
  setting: DialectSetting;
  /** The request, where server tools are offered in it; else null. */
  offered: DialectRequest | null;
  /** What was learned of the upstream. */
  known: KnownDialects;
}

/** What the choice depends on for a client whose request is not read yet, or offers no tools. */
export function choosingOf(
  { config, memory }: Pick<Platform, "config" | "memory">,
  key: { upstreamDialect: DialectSetting | null; openaiBaseUrl: string | null },
  client: Dialect,
): Choosing {
  const setting = key.upstreamDialect ?? config.upstreamDialect;
  const known = knownDialects(memory, baseUrlOf(config, key));
  return { client, setting, offered: null, known };
}

/** What was chosen. */
export interface DialectChoice {
  /** The dialect in which upstream is asked, and how the client's becomes it. */
  spoken: Dialect;
  translation: TurnTranslation;
  /** What the record of the first round says of it, a sentence each. */
  notes: string[];
  /**
   * The choice that a refusal of the first round leads to; null: the refusal is about something
   * else, or the request cannot be asked otherwise.
   * @param notes hears, a sentence each, why it cannot
   */
  instead(refusal: UpstreamRefusal, notes: string[]): DialectChoice | null;
  /**
   * The client's own dialect, where the proxy chose the other for its tools, and upstream refuses
   * the request in that one for whatever reason; else null. A tool that was added must not make an
   * error of a request that works.
   */
  back(refusal: UpstreamRefusal): DialectChoice | null;
  /** Upstream has answered: what its refusals taught holds for the next turns. */
  answered(): void;
}

/** A reason for a dialect. */
export interface DialectReason {
  to: Dialect;
  /** Ends a sentence that begins with "because". */
  because: string;
}

interface Row extends DialectReason {
  applies(choosing: Choosing): boolean;
}

const AS_SET = "UPSTREAM_DIALECT or the key says so";
const NO_RESPONSES = "upstream has no Responses API";
const NO_TOOLS_IN_CHAT = "the model takes no function tools on chat completions";

/** Whether tools of the proxy could go over Responses for a client of chat completions. */
function mayLeaveChat({ client, offered, known }: Choosing): boolean {
  if (client !== chatDialect || offered === null) return false;
  return !known.lacksResponses() && known.usesResponses(offered.model) !== false;
}

/** The first that applies decides; where none does, the client's own dialect is spoken. */
const ROWS: Row[] = [
  { to: chatDialect, because: AS_SET, applies: ({ setting }) => setting === "chat" },
  { to: responsesDialect, because: AS_SET, applies: ({ setting }) => setting === "responses" },
  {
    to: chatDialect,
    because: NO_RESPONSES,
    applies: ({ known }) => known.lacksResponses(),
  },
  {
    to: responsesDialect,
    because: NO_TOOLS_IN_CHAT,
    applies: (choosing) => {
      const { offered, known } = choosing;
      if (offered === null || !mayLeaveChat(choosing)) return false;
      return known.usesResponses(offered.model) === true || takesNoTools(offered);
    },
  },
];

/** A refusal that leads from one dialect to the other, where the proxy is to choose. */
interface Lesson extends DialectReason {
  from: Dialect;
  applies(choosing: Choosing): boolean;
  isNamed(refusal: UpstreamRefusal): boolean;
  remember?(choosing: Choosing): void;
}

const LESSONS: Lesson[] = [
  {
    from: chatDialect,
    to: responsesDialect,
    because: NO_TOOLS_IN_CHAT,
    applies: mayLeaveChat,
    isNamed: isRefusalOfTools,
    remember: ({ known, offered }) => known.rememberUse(offered?.model ?? null, true),
  },
  {
    from: responsesDialect,
    to: chatDialect,
    because: NO_RESPONSES,
    applies: () => true,
    isNamed: lacksResponses,
    remember: ({ known }) => known.rememberLack(),
  },
  {
    // Who refuses them over Responses, too, is asked for less as its client spells it.
    from: responsesDialect,
    to: chatDialect,
    because: "the model takes no function tools over Responses either",
    applies: ({ client }) => client === chatDialect,
    isNamed: isRefusalOfTools,
    remember: ({ known, offered }) => known.rememberUse(offered?.model ?? null, false),
  },
];

/** Why upstream should be asked in another dialect than the client's; null: it should not. */
export function foreignDialect(choosing: Choosing): DialectReason | null {
  const row = ROWS.find(({ applies }) => applies(choosing));
  return row === undefined || row.to.name === choosing.client.name ? null : row;
}

/** A request for which a choice is made. */
interface ChosenFor {
  choosing: Choosing;
  /** As the model is to see it over another dialect than the client's. */
  request: () => DialectRequest;
  table: Translation[] | undefined;
  /** Dialects that a client of another one is not taken to any more. */
  closed: Dialect[];
  /** What is remembered when upstream has answered. */
  learned: (() => void)[];
}

/** Why a request cannot be asked in a dialect; null where it can. */
function refusedBy({ choosing, request, table }: ChosenFor, to: Dialect): string | null {
  const { client } = choosing;
  if (!canTranslate(client, to, table)) return "there is no translation";
  return to === client ? null : translationOf(client, to, table).refuses(request());
}

/** The choice that a refusal of a dialect leads to. */
function choiceAfter(
  chosen: ChosenFor,
  from: Dialect,
  refusal: UpstreamRefusal,
  notes: string[],
): DialectChoice | null {
  const { choosing, closed, learned } = chosen;
  const lesson = LESSONS.find(
    (row) => row.from === from && row.applies(choosing) && row.isNamed(refusal),
  );
  if (choosing.setting !== "auto" || lesson === undefined) return null;
  const { to, because, remember } = lesson;
  if (closed.includes(to) && to !== choosing.client) return null;
  if (remember !== undefined) learned.push(() => remember(choosing));
  const why = refusedBy(chosen, to);
  if (why !== null) {
    notes.push(`Not asked again over ${to.name}, although ${because}: ${why}`);
    return null;
  }
  return changed(chosen, from, lesson, refusal);
}

/** The choice of the other dialect, and what the record says of it. */
function changed(
  chosen: ChosenFor,
  from: Dialect,
  { to, because }: DialectReason,
  { response, message }: UpstreamRefusal,
): DialectChoice {
  const words = `upstream refused with ${response.status}: ${message.slice(0, 300)}`;
  const note = `Asked again over ${to.name}, because ${because}: ${words}`;
  return choiceOf({ ...chosen, closed: [...chosen.closed, from] }, to, [note]);
}

/** Statuses that have nothing to do with how a request is put. */
const BUSY = new Set([408, 409, 425, 429]);
/** Statuses of an account that may not ask so, or of a model that is not there. */
const NOT_GIVEN = new Set([401, 403, 404]);

/** The client's own dialect, after a refusal of the one to which its tools were taken. */
function choiceOfOwn(
  chosen: ChosenFor,
  from: Dialect,
  refusal: UpstreamRefusal,
): DialectChoice | null {
  const { choosing, learned } = chosen;
  const { client, setting, known, offered } = choosing;
  const { status } = refusal.response;
  const isTheirs = setting === "auto" && client === chatDialect && from !== client;
  if (!isTheirs || status >= 500 || BUSY.has(status)) return null;
  if (NOT_GIVEN.has(status)) learned.push(() => known.rememberUse(offered?.model ?? null, false));
  const because = `the request is not taken over ${from.name}`;
  return changed(chosen, from, { to: client, because }, refusal);
}

function choiceOf(chosen: ChosenFor, spoken: Dialect, notes: string[]): DialectChoice {
  const { choosing, request, table, learned } = chosen;
  const translation = translationOf(choosing.client, spoken, table);
  const dropped = spoken === choosing.client ? [] : translation.dropped(request());
  return {
    spoken,
    translation,
    notes: [...notes, ...dropped],
    instead: (refusal, said) => choiceAfter(chosen, spoken, refusal, said),
    back: (refusal) => choiceOfOwn(chosen, spoken, refusal),
    answered: () => {
      for (const learn of learned) learn();
    },
  };
}

/**
 * The dialect for a request: the one that is wanted, or the client's own where it cannot be said in
 * that one.
 * @param request gives it as the model is to see it over another dialect than the client's
 * @param wanted from {@link foreignDialect}
 * @param table of translations
 */
export function chooseDialect(
  choosing: Choosing,
  request: () => DialectRequest,
  wanted: DialectReason | null,
  table?: Translation[],
): DialectChoice {
  const own = choosing.client;
  const chosen: ChosenFor = { choosing, request, table, closed: [], learned: [] };
  if (wanted === null) return choiceOf(chosen, own, []);
  const { to, because } = wanted;
  const why = refusedBy(chosen, to);
  if (why === null) return choiceOf(chosen, to, [`Asked over ${to.name}, because ${because}`]);
  const note = `Asked over ${own.name}, and not over ${to.name} (because ${because}): ${why}`;
  return choiceOf({ ...chosen, closed: [to] }, own, [note]);
}
