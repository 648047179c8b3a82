import { checkModels, mustReadBody } from "../auth/check-model.ts";
import { keepsAnswerText, keepsRequestText } from "../record/endpoint-content.ts";
import { digestOf, openDigestTap } from "../stream/digest-tap.ts";
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
  const upload = read !== null || hasNone || request.body === null ? null : request.body;
  const tap = upload === null ? null : openDigestTap(upload);
  return relayTurn({
    ...parts,
    upstream,
    body: read === null ? (tap?.readable ?? null) : sentBytes(read),
    headers: {},
    ...(tap === null ? {} : { uploaded: () => tap.digest() }),
    keepsText: keepsAnswerText(endpointOf(parts)),
    places: () => [],
  });
});

const sentBytes = ({ bytes }: ReadBody) => (bytes.byteLength === 0 ? null : bytes);

/** As it was normalised before the route was chosen. */
const endpointOf = ({ context }: TurnRequest): string => context.req.path;

const isText = ({ headers }: Request): boolean =>
  TEXT_TYPES.test(headers.get("content-type") ?? "");

/**
 * Whether a body is read before it is sent: it is small, or it is kept, or its models have to be
 * judged.
 */
function isBuffered(parts: TurnRequest): boolean {
  const { request, key, scope } = parts;
  if (request.method === "GET" || request.method === "HEAD") return false;
  if (request.body === null) return false;
  if (mustReadBody(key, judgedRequest(request))) return true;
  const length = request.headers.get("content-length");
  const isKept = isText(request) && keepsRequestText(endpointOf(parts));
  const maxLength = isKept ? scope.platform.config.maxBodyBytes : BUFFERED_BYTES;
  return length !== null && Number(length) <= maxLength;
}

const bufferedBody = ({ scope, request }: TurnRequest): Promise<ReadBody> =>
  readBody(request, scope.platform.config.maxBodyBytes, scope.platform.openDecoder);

/**
 * What the client asked for: its text, or else the hash and size of what it sent. A text that
 * cannot be decoded is upstream's to refuse.
 */
async function noteRequest(parts: TurnRequest, body: ReadBody): Promise<void> {
  const { request, turn } = parts;
  const text = isText(request) ? await body.text().catch(() => null) : null;
  const isKept = isText(request) && keepsRequestText(endpointOf(parts));
  const contentType = request.headers.get("content-type") ?? "";
  const digest = { ...digestOf(body.bytes), contentType };
  turn.requested(isKept || digest.bytes === 0 ? { text } : { text, digest });
}
