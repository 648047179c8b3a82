/** A turn as it is shown. */
import type { turns } from "../../drizzle/schema.ts";
import { parseJson } from "../openai/json.ts";
import type { BodyDigest } from "../record/turn-record.ts";

/** What is of use to the store alone. */
type Hidden = "conversationId" | "place" | "awaitedPlace" | "awaitedMessages" | "apiKeyId";
type Digests = "requestDigest" | "responseDigest";

/** A turn without its messages. */
export interface TurnDetail extends Omit<typeof turns.$inferSelect, Hidden | Digests> {
  /** Bodies of which no text is kept. */
  requestDigest: BodyDigest | null;
  responseDigest: BodyDigest | null;
}

const readDigest = (text: string | null) =>
  text === null ? null : (parseJson(text) as BodyDigest);

/** A row of a turn as it is shown. */
export function turnDetail(row: Omit<typeof turns.$inferSelect, Hidden>): TurnDetail {
  return {
    ...row,
    requestDigest: readDigest(row.requestDigest),
    responseDigest: readDigest(row.responseDigest),
  };
}
