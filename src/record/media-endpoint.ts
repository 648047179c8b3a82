import type { CountedRound } from "./count-rounds.ts";
import { isUsed } from "./price-rounds.ts";
import type { TurnRecord } from "./turn-record.ts";

/** Endpoints whose use costs something that no count of tokens tells before. */
const MEDIA_ENDPOINT = /\/(?:images\/\w+|audio\/\w+|videos)$/;

/** Whether requests of a path make or read images, sound or video. */
export const isMediaEndpoint = (path: string): boolean => MEDIA_ENDPOINT.test(path);

/**
 * Whether a round used something of which upstream did not say how much: an image of a model that
 * is paid for by the piece, speech.
 */
export function isUnmeasured(record: TurnRecord, round: CountedRound): boolean {
  const isSent = record.request !== null || record.requestDigest !== undefined;
  const isAnswered = record.httpStatus < 300 && round.status === "completed";
  const isMedia = isMediaEndpoint(record.bodies ?? record.endpoint);
  return isMedia && isSent && isAnswered && record.cached !== true && !isUsed(round);
}
