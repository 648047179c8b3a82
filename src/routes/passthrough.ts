import { checkModels, mustReadBody } from "../auth/check-model.ts";
import { checkPriced } from "../limits/check-priced.ts";
import { readBody, type ReadBody } from "../stream/read-body.ts";
import { relayTurn } from "../turn/relay-turn.ts";
import { pickUpstream } from "../upstream/pick-upstream.ts";
import { inTurn, type TurnRequest } from "./in-turn.ts";
import { judgedRequest } from "./judged-request.ts";

/**
 * Bodies up to this size are sent as bytes, which costs less; larger ones, and those of unknown
 * size, are streamed.
 */
const BUFFERED_BYTES = 64 * 1024;

/** Bodies of these types are text that people read. */
const TEXT_TYPES = /^\s*(?:$|text\/|application\/(?:[\w.+-]*\+)?json)/i;

/** Every `/v1` path that has no stage of its own: any method and body, through and back untouched. */
export const passthrough = inTurn(async (parts) => {
  const { scope, request, key, limits } = parts;
  await limits.check();
  const judged = judgedRequest(request);
  const read = isBuffered(parts) ? await bufferedBody(parts) : null;
  const { all } = await checkModels(key, judged, read);
  const upstream = pickUpstream(scope.platform.config, key);
  for (const model of all) await checkPriced(scope, key, { model, upstream: upstream.baseUrl });
  await limits.take();
  if (read !== null) await noteRequest(parts, read);
  const hasNone = request.method === "GET" || request.method === "HEAD";
  const body = read === null ? (hasNone ? null : request.body) : sentBytes(read);
  return relayTurn({ ...parts, upstream, body, headers: {}, keepsText: true, places: () => [] });
});

const sentBytes = ({ bytes }: ReadBody) => (bytes.byteLength === 0 ? null : bytes);

/** Whether a body is read before it is sent: it is small, or its models have to be judged. */
function isBuffered({ request, key }: TurnRequest): boolean {
  if (request.method === "GET" || request.method === "HEAD") return false;
  if (request.body === null) return false;
  if (mustReadBody(key, judgedRequest(request))) return true;
  const length = request.headers.get("content-length");
  return length !== null && Number(length) <= BUFFERED_BYTES;
}

const bufferedBody = ({ scope, request }: TurnRequest): Promise<ReadBody> =>
  readBody(request, scope.platform.config.maxBodyBytes);

/** What the client asked for, where that is text. One that cannot be decoded is upstream's to refuse. */
async function noteRequest({ request, turn }: TurnRequest, body: ReadBody): Promise<void> {
  if (!TEXT_TYPES.test(request.headers.get("content-type") ?? "")) return;
  turn.requested({ text: await body.text().catch(() => null) });
}
