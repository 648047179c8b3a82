import type { History } from "../dialects/dialect.ts";
import type { ReadBody } from "../stream/read-body.ts";
import type { ModelHistory } from "../turn/history.ts";
import { relayTurn } from "../turn/relay-turn.ts";
import type { Upstream } from "../upstream/pick-upstream.ts";
import type { TurnRequest } from "./in-turn.ts";

/** A request whose body was read, and that the tool loop leaves alone. */
interface ReadRequest {
  body: ReadBody;
  /** The same as text; null where it cannot be read. */
  text: string | null;
  upstream: Upstream;
  /** Where the key has tools: the history may be one that a client came back with. */
  known: ModelHistory | null;
  /** Whether a stream of its answers says why it ends: one that just ends was cut. */
  endsWithReason: boolean;
  /** What the record of its round says, a sentence each. */
  notes?: string[];
  /** The history in which an earlier turn may have ended, where it was not looked at. */
  history(): Promise<History | null> | History | null;
  /** Hears of the id that upstream gave to what it answered. */
  onId?(id: string): Promise<void>;
}

/**
 * Sends the body as it came. Only where the client did not see all of its history, that history as
 * the model must see it.
 */
export async function relayRead(parts: TurnRequest, read: ReadRequest): Promise<Response> {
  const { turn } = parts;
  const { body, text, upstream, known, endsWithReason } = read;
  turn.restored(known?.restored ?? []);
  // The record reads along, so the answer should not be compressed.
  const headers = { "accept-encoding": "identity" };
  const isRestored = known !== null && known.request.text !== text;
  const restored = isRestored ? new TextEncoder().encode(known.request.text) : null;
  return relayTurn({
    ...parts,
    upstream,
    body: restored ?? body.bytes,
    headers: restored === null ? headers : { ...headers, "content-encoding": "" },
    sentDigest: null,
    keepsText: true,
    endsWithReason,
    notes: read.notes ?? [],
    ...(read.onId === undefined ? {} : { onId: read.onId }),
    history: () => known?.sent ?? read.history(),
  });
}
