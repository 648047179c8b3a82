/** Sends a round to upstream: in a milder form where the usual one is refused, again where it failed. */
import type { DialectRequest, LoopState, OpenAnswer, RoundForm } from "../dialects/dialect.ts";
import { ApiError } from "../openai/api-error.ts";
import { UpstreamRefusal } from "../openai/upstream-error.ts";
import type { OpenDecoder, UpstreamResponse } from "../platform.ts";
import { openAnswer } from "../stream/open-answer.ts";
import type { KnownForms } from "./known-forms.ts";
import type { MediaSupport } from "./media-support.ts";
import { MILDER_FORMS, milderForm, withForm, type MilderForm } from "./milder-forms.ts";

/** What asking needs of a turn. */
export interface Asking {
  /** As upstream's dialect has it. */
  request: DialectRequest;
  /** The same without what tools of earlier turns showed; null where they showed nothing. */
  requestWithoutMedia: (() => DialectRequest) | null;
  /** Each server tool as upstream's dialect spells it, by name. */
  offered: ReadonlyMap<string, string>;
  maxBytes: number;
  openDecoder: OpenDecoder;
  /** Fires when the client has gone away. */
  signal: AbortSignal;
  media: MediaSupport;
  known: KnownForms;
  /** Sends a round's body. */
  send(body: string): Promise<UpstreamResponse>;
  /** What was shown of a round's tools did not reach the model. */
  onMediaRefused(round: number): void;
}

/** Asks for one round after another. */
export interface Asker {
  /** @param notes hears, a sentence each, of what was done so that upstream took the round */
  ask(state: LoopState, notes: string[]): Promise<OpenAnswer>;
}

/** What the turns before have taught of the model. */
function firstForm(known: KnownForms): RoundForm {
  const forms = MILDER_FORMS.filter(({ name }) => name !== "withoutMedia" && known.has(name));
  return forms.reduce((form, row) => withForm(form, row, known.valueOf(row.name)), {});
}

function offeredCount({ offered }: Asking, { withdrawn }: LoopState, form: RoundForm): number {
  if (form.withoutTools === true) return 0;
  const left = [...offered.keys()].filter((name) => !withdrawn.has(name));
  return left.length;
}

/** Upstream's own words, as far as a note needs them. */
const shortWords = (refusal: UpstreamRefusal): string => refusal.message.slice(0, 300);

/** Opens what asks upstream in one turn: what it learns in a round holds for the next ones. */
export function openAsker(asking: Asking): Asker {
  const { known, media } = asking;
  let form = firstForm(known);

  const send = async (state: LoopState): Promise<OpenAnswer> => {
    const withoutMedia = media.isRefused;
    const plain = withoutMedia ? asking.requestWithoutMedia?.() : undefined;
    const request = plain ?? asking.request;
    const { offered, maxBytes, openDecoder } = asking;
    const body = request.roundBody({ state, offered, form: { ...form, withoutMedia } });
    const { isAnswer } = request.dialect;
    return openAnswer(await asking.send(body), { maxBytes, openDecoder, isAnswer });
  };

  const showsMedia = ({ appended }: LoopState): boolean => {
    if (media.isRefused) return false;
    const { showsMedia: isShown } = asking.request.dialect;
    return asking.requestWithoutMedia !== null || appended.some(isShown);
  };

  /** Takes the next milder form, or throws the refusal. */
  const soften = (state: LoopState, refusal: UpstreamRefusal): MilderForm => {
    const { request } = asking;
    const offered = offeredCount(asking, state, form);
    const round = { request, state, form, offered, showsMedia: showsMedia(state) };
    const row = milderForm(round, refusal);
    if (row === null) throw refusal;
    if (row.name === "withoutMedia") media.refused();
    else form = withForm(form, row, row.value?.(refusal) ?? 0);
    return row;
  };

  /** That upstream answers now shows that what it named was the reason. */
  const learn = (state: LoopState, row: MilderForm, refusal: UpstreamRefusal): void => {
    if (row.lasts?.(refusal) ?? true) known.remember(row.name, row.value?.(refusal) ?? 0);
    if (row.name === "withoutMedia") asking.onMediaRefused(state.round - 1);
  };

  return {
    ask: async (state, notes) => {
      const tried: [MilderForm, UpstreamRefusal][] = [];
      for (;;) {
        try {
          const answer = await send(state);
          for (const [row, refusal] of tried) learn(state, row, refusal);
          return answer;
        } catch (error) {
          if (!(error instanceof UpstreamRefusal)) throw error;
          const row = soften(state, error);
          tried.push([row, error]);
          const { status } = error.response;
          notes.push(
            `Asked again ${row.words}: upstream refused with ${status}: ${shortWords(error)}`,
          );
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
  if (error instanceof ApiError) return error.status === 502 || error.status === 504 ? usual : null;
  if (!(error instanceof UpstreamRefusal)) return null;
  const { status, headers } = error.response;
  if (!TRIED_AGAIN.has(status) || HOPELESS.has(error.code ?? "")) return null;
  if (headers["x-should-retry"] === "false") return null;
  const wait = toldWait(headers) ?? usual;
  return wait <= MAX_WAIT_MS ? wait : null;
}
