/**
 * Sends a round to upstream: in a milder form where the usual one is refused, again where it
 * failed.
 */
import type { DialectRequest, LoopState, OpenAnswer, RoundForm } from "../dialects/dialect.ts";
import { ApiError } from "../openai/api-error.ts";
import { UpstreamRefusal } from "../openai/upstream-error.ts";
import type { OpenDecoder, UpstreamResponse } from "../platform.ts";
import { openAnswer } from "../stream/open-answer.ts";
import type { DialectChoice } from "../upstream/choose-dialect.ts";
import type { KnownForms } from "./known-forms.ts";
import type { RestoredParts } from "./history.ts";
import type { MediaSupport } from "./media-support.ts";
import {
  MILDER_FORMS,
  milderForm,
  withForm,
  withoutForm,
  type MilderForm,
  type RefusedRound,
} from "./milder-forms.ts";

/** What asking needs of a turn. */
export interface Asking {
  /** As upstream's dialect has it. */
  request: DialectRequest;
  /** What of the hidden items in it upstream may not take. */
  restoredParts: RestoredParts;
  /** The same request without some of that. */
  requestWithout(parts: RestoredParts): DialectRequest;
  /** Whether it was made of a request in another dialect. */
  isTranslated: boolean;
  /** Each server tool as upstream's dialect spells it, by name. */
  offered: ReadonlyMap<string, string>;
  maxBytes: number;
  openDecoder: OpenDecoder;
  /** Fires when the client has gone away. */
  signal: AbortSignal;
  media: MediaSupport;
  known: KnownForms;
  /** The dialect in which upstream is asked. */
  choice: Pick<DialectChoice, "notes" | "instead" | "back" | "answered">;
  /** Sends a round's body. */
  send(body: string): Promise<UpstreamResponse>;
  /** What was shown of a round's tools did not reach the model. */
  onMediaRefused(round: number): void;
}

/** The first round was refused in a way that another dialect mends. */
export class OtherDialect extends Error {
  readonly choice: DialectChoice;
  constructor(choice: DialectChoice) {
    super(`Upstream is to be asked over ${choice.spoken.name}`);
    this.name = "OtherDialect";
    this.choice = choice;
  }
}

/** Asks for one round after another. */
export interface Asker {
  /** Whether the round that was asked for last offers server tools. */
  readonly offersTools: boolean;
  /**
   * @param notes hears, a sentence each, of what was done so that upstream took the round
   * @throws OtherDialect where the first round is to be asked otherwise
   */
  ask(state: LoopState, notes: string[]): Promise<OpenAnswer>;
}

/** A milder form that was taken, and the refusal that led to it. */
interface Taken {
  row: MilderForm;
  refusal: UpstreamRefusal;
}

/** What the turns before have taught of the model. */
function firstForm(known: KnownForms): RoundForm {
  const forms = MILDER_FORMS.filter(({ name }) => name !== "withoutMedia" && known.has(name));
  return forms.reduce((form, row) => withForm(form, row, known.valueOf(row.name)), {});
}

/** How many server tools a round offers. */
function offeredCount({ offered, request }: Asking, state: LoopState, form: RoundForm): number {
  if (form.withoutTools === true) return 0;
  const left = [...offered.keys()].filter((name) => !state.withdrawn.has(name)).length;
  const { maxTools = Number.POSITIVE_INFINITY } = form;
  return Math.min(left, Math.max(0, maxTools - request.clientTools.size));
}

/** Upstream's own words, as far as a note needs them. */
const shortWords = (refusal: UpstreamRefusal): string => refusal.message.slice(0, 300);

/** Opens what asks upstream in one turn: what it learns in a round holds for the next ones. */
export function openAsker(asking: Asking): Asker {
  const { choice, known, media, restoredParts } = asking;
  const { hasReasoning, showsMedia, isAnswer } = asking.request.dialect;
  const learned = firstForm(known);
  let form = learned;
  let offersTools = true;

  const send = async (state: LoopState): Promise<OpenAnswer> => {
    const withoutMedia = media.isRefused;
    const without: RestoredParts = {
      media: withoutMedia && restoredParts.media,
      reasoning: form.withoutReasoningText === true && restoredParts.reasoning,
    };
    const isLess = without.media || without.reasoning;
    const request = isLess ? asking.requestWithout(without) : asking.request;
    const { offered, maxBytes, openDecoder } = asking;
    const body = request.roundBody({ state, offered, form: { ...form, withoutMedia } });
    return openAnswer(await asking.send(body), { maxBytes, openDecoder, isAnswer });
  };

  /** The round as it stands in a form. */
  const roundIn = (state: LoopState, itsForm: RoundForm): RefusedRound => {
    const { appended } = state;
    return {
      request: asking.request,
      state,
      form: itsForm,
      offered: offeredCount(asking, state, itsForm),
      isTranslated: asking.isTranslated,
      showsMedia: !media.isRefused && (restoredParts.media || appended.some(showsMedia)),
      hasReasoning: restoredParts.reasoning || appended.some(hasReasoning),
    };
  };

  /** Tells of the forms that are known from earlier turns. */
  const noteLearned = (state: LoopState, notes: string[]): void => {
    const usual = roundIn(state, {});
    const used = MILDER_FORMS.filter(({ name }) => learned[name] !== undefined);
    for (const row of used) {
      const isMoot = learned.withoutTools === true && row.isForTools === true;
      if (!isMoot && row.applies(usual))
        notes.push(`Asked ${row.words}, because upstream had refused it otherwise before`);
    }
  };

  /** Takes the next milder form, or throws the refusal. */
  const soften = (state: LoopState, refusal: UpstreamRefusal, taken: Taken[]): void => {
    const last = taken.at(-1);
    const isSame = last !== undefined && last.refusal.words === refusal.words;
    if (isSame && last.row.name !== "withoutMedia") {
      last.row = { ...last.row, lasts: () => false };
      // It did not help: what is asked next need not be without it. With no tools left it is the
      // client's own request that was refused.
      if (offeredCount(asking, state, form) > 0) form = withoutForm(form, last.row, learned);
    }
    const tried = new Set(taken.map(({ row }) => row.name));
    const row = milderForm(roundIn(state, form), refusal, tried);
    // Its client's own dialect is milder than no tools at all.
    const isLast = row === null || row.name === "withoutTools";
    const own = isLast && state.round === 1 ? choice.back(refusal) : null;
    if (own !== null) throw new OtherDialect(own);
    if (row === null) throw refusal;
    if (row.name === "withoutMedia") media.refused();
    else form = withForm(form, row, row.value?.(refusal) ?? 0);
    taken.push({ row, refusal });
  };

  /** That upstream answers now shows that what it named was the reason. */
  const learn = (state: LoopState, { row, refusal }: Taken): void => {
    if (row.lasts?.(refusal) ?? true) known.remember(row.name, row.value?.(refusal) ?? 0);
    if (row.name === "withoutMedia") asking.onMediaRefused(state.round - 1);
  };

  return {
    get offersTools() {
      return offersTools;
    },
    ask: async (state, notes) => {
      const taken: Taken[] = [];
      if (state.round === 1) {
        notes.push(...choice.notes);
        noteLearned(state, notes);
      }
      for (;;) {
        try {
          const answer = await send(state);
          for (const one of taken) learn(state, one);
          if (state.round === 1) choice.answered();
          offersTools = !state.toolsEnded && offeredCount(asking, state, form) > 0;
          return answer;
        } catch (error) {
          if (!(error instanceof UpstreamRefusal)) throw error;
          const other = state.round === 1 ? choice.instead(error, notes) : null;
          if (other !== null) throw new OtherDialect(other);
          soften(state, error, taken);
          const words = taken.at(-1)?.row.words ?? "";
          const { status } = error.response;
          notes.push(`Asked again ${words}: upstream refused with ${status}: ${shortWords(error)}`);
        }
      }
    },
  };
}

/** A later round that failed is tried this often in all. */
const MAX_ATTEMPTS = 4;
const FIRST_WAIT_MS = 250;
/** Nobody's client waits longer: then the failure is told. */
const MAX_WAIT_MS = 30_000;
const TRIED_AGAIN = new Set([408, 409, 425, 429, 500, 502, 503, 504, 529]);
/** What waiting does not mend. */
const HOPELESS = new Set(["insufficient_quota", "billing_hard_limit_reached"]);

/** `retry-after-ms`, or `retry-after` in seconds or as a date; null where upstream says nothing. */
function toldWait(headers: Record<string, string>): number | null {
  const ms = Number(headers["retry-after-ms"] ?? Number.NaN);
  if (Number.isFinite(ms)) return Math.max(0, ms);
  const told = headers["retry-after"];
  if (told === undefined) return null;
  const seconds = Number(told);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(told) - Date.now();
  return Number.isNaN(wait) ? null : Math.max(0, wait);
}

/**
 * How long to wait before a later round is tried again, in milliseconds; null: not at all. The
 * client's own retry would run the turn's tools again.
 * @param attempt of this round, from 1
 */
export function retryWait(error: unknown, attempt: number): number | null {
  if (attempt >= MAX_ATTEMPTS) return null;
  const usual = FIRST_WAIT_MS * 2 ** (attempt - 1);
  // It would be as large again.
  if (error instanceof ApiError && error.body.error.code === "upstream_too_large") return null;
  // Our own time limit is longer than anybody waits for many times.
  if (error instanceof ApiError && error.status === 504) return attempt === 1 ? usual : null;
  if (error instanceof ApiError) return error.status === 502 ? usual : null;
  if (!(error instanceof UpstreamRefusal)) return null;
  const { status, headers } = error.response;
  if (!TRIED_AGAIN.has(status) || HOPELESS.has(error.code ?? "")) return null;
  if (headers["x-should-retry"] === "false") return null;
  const wait = toldWait(headers) ?? usual;
  return wait <= MAX_WAIT_MS ? wait : null;
}
