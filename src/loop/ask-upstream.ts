/**
 * Sends a round to upstream, and once more in another form where an upstream is known to refuse the
 * first for it.
 */
import { roundBody } from "./chat-dialect.ts";
import { showsMedia } from "./hidden-media.ts";
import { openAnswer, UpstreamRefusal, type OpenAnswer } from "./open-answer.ts";
import type { ChatTurn } from "./run-chat-turn.ts";
import type { LoopState } from "./run-tool-loop.ts";

type Asking = Pick<
  ChatTurn,
  "request" | "offered" | "send" | "maxBytes" | "media" | "textWithoutMedia" | "turn"
>;

/**
 * How servers refuse an image that their model does not take: 400 as a rule, 404 OpenRouter, 413
 * and 415 gateways, 422 validators, 500 llama.cpp.
 */
const REFUSED_MEDIA = new Set([400, 404, 413, 415, 422, 500]);
/** Errors over one image, or over all that was said: another image may be taken. */
const OF_THIS_ONE =
  /^(?:invalid_(?:image|base64|audio)|image_|unsupported_image|context_length|string_above|request_too_large)/;

const ask = async (chat: Asking, state: LoopState, showing: boolean): Promise<OpenAnswer> => {
  const text = showing ? chat.request.text : (chat.textWithoutMedia?.() ?? chat.request.text);
  const appended = showing
    ? state.appended
    : state.appended.filter((message) => !showsMedia(message));
  return openAnswer(
    await chat.send(roundBody({ ...chat.request, text }, chat.offered, { ...state, appended })),
    chat.maxBytes,
  );
};

/** Asks with images and sounds; where these are refused without them, and from then on. */
async function askShowing(chat: Asking, state: LoopState): Promise<OpenAnswer> {
  const isShown =
    !chat.media.isRefused && (chat.textWithoutMedia !== null || state.appended.some(showsMedia));
  try {
    return await ask(chat, state, !chat.media.isRefused);
  } catch (error) {
    if (
      !isShown ||
      !(error instanceof UpstreamRefusal) ||
      !REFUSED_MEDIA.has(error.response.status)
    )
      throw error;
    const answer = await ask(chat, state, false);
    // That it answers now shows that the images were the reason.
    const { code } = error.error ?? {};
    chat.media.refused(
      error.response.status !== 413 && !(typeof code === "string" && OF_THIS_ONE.test(code)),
    );
    const { record } = chat.turn;
    record.produced = record.produced.filter(
      ({ message, round }) => round !== state.round - 1 || !showsMedia(message),
    );
    return answer;
  }
}

/** Sends a round's body, and waits until it is certain what the answer is. */
export async function askUpstream(chat: Asking, state: LoopState): Promise<OpenAnswer> {
  const hasNone = chat.request.clientTools.size === 0 && state.withdrawn.size === chat.offered.size;
  if (!hasNone) return askShowing(chat, state);
  return askShowing(chat, state).catch((error: unknown) => {
    // Servers in front of Anthropic and Bedrock refuse a history with calls where no tools are
    // defined: then they stay, uncallable.
    if (!(error instanceof UpstreamRefusal) || error.response.status !== 400) throw error;
    return askShowing(chat, { ...state, withdrawn: new Set(), toolsEnded: true });
  });
}
