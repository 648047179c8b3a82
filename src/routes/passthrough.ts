import { checkModels, mustReadBody } from "../auth/check-model.ts";
import { checkPriced } from "../limits/check-priced.ts";
import { ApiError } from "../openai/api-error.ts";
import type { UpstreamRequest, UpstreamResponse } from "../platform.ts";
import { keepsAnswerText, keepsRequestText } from "../record/endpoint-content.ts";
import { openDigestTap } from "../stream/digest-tap.ts";
import { openFormModelReader } from "../stream/form-model.ts";
import { readBody, type ReadBody } from "../stream/read-body.ts";
import { relayTurn, type RelayedTurn } from "../turn/relay-turn.ts";
import { pickUpstream } from "../upstream/pick-upstream.ts";
import { isSmall } from "./is-small.ts";
import { inTurn, type TurnRequest } from "./in-turn.ts";
import { judgedRequest } from "./judged-request.ts";

/** Bodies of these types are text that people read. */
const TEXT_TYPES = /^\s*(?:$|text\/|application\/(?:[\w.+-]*\+)?json)/i;

/**
 * HTTP gives the body of a GET no meaning, and neither runtime can send one on.
 * @throws ApiError 400 where there is one
 */
function refuseBodyWithoutMeaning({ method, headers }: Request): void {
  const hasBody =
    Number(headers.get("content-length") ?? 0) > 0 || headers.has("transfer-encoding");
  if ((method === "GET" || method === "HEAD") && hasBody)
    throw new ApiError(
      "bad_request",
      `This ${method} request has a body, which this proxy cannot send on. Send it without, or as POST.`,
    );
}

/**
 * Every `/v1` path that has no stage of its own: any method and body, through and back untouched.
 */
export const passthrough = inTurn(passOn);

/** Looks at an answer, beside the body that was sent; see `look` of {@link RelayedTurn}. */
type Look = (body: ReadBody, answer: UpstreamResponse) => Promise<UpstreamResponse | Response>;

/**
 * Passes a request on untouched, and its answer back.
 * @param look where the body was read: what is passed on as it comes cannot be asked again
 */
export async function passOn(parts: TurnRequest, look?: Look): Promise<Response> {
  const { context, scope, request, key, limits, turn } = parts;
  refuseBodyWithoutMeaning(request);
  // Nothing large is read for a key that has used up its limits; what is small is on record with
  // it.
  if (!isSmall(request)) await limits.check();
  const read = isBuffered(parts) ? await bufferedBody(parts) : null;
  const sent = read === null ? streamedBody(parts) : await notedBody(parts, read);
  await limits.check();
  const { all } = await checkModels(key, judgedRequest(request), read);
  const upstream = pickUpstream(scope.platform.config, key);
  const priced = { upstream: upstream.baseUrl, path: context.req.path };
  for (const model of all) await checkPriced(scope, key, { model, ...priced });
  await limits.take({ record: turn.record, request, upstream: upstream.baseUrl });
  const keepsText = keepsAnswerText(context.req.path);
  return relayTurn({
    ...parts,
    ...sent,
    upstream,
    headers: {},
    keepsText,
    endsWithReason: false,
    history: () => null,
    ...(look === undefined || read === null ? {} : { look: (answer) => look(read, answer) }),
  });
}

const contentTypeOf = ({ request }: TurnRequest) => request.headers.get("content-type") ?? "";

const hasNoBody = ({ request }: TurnRequest): boolean =>
  request.method === "GET" || request.method === "HEAD" || request.body === null;

/** Whether a body is text that the record keeps. */
const isKept = (parts: TurnRequest): boolean =>
  TEXT_TYPES.test(contentTypeOf(parts)) && keepsRequestText(parts.context.req.path);

/** Whether a body is read before it is sent: it is small, to be judged, or to be kept. */
function isBuffered(parts: TurnRequest): boolean {
  if (hasNoBody(parts)) return false;
  const { request, key, scope } = parts;
  if (mustReadBody(key, judgedRequest(request))) return true;
  if (isSmall(request)) return true;
  const length = request.headers.get("content-length");
  return isKept(parts) && length !== null && Number(length) <= scope.platform.config.maxBodyBytes;
}

const bufferedBody = ({ scope, request }: TurnRequest): Promise<ReadBody> =>
  readBody(request, scope.platform.config.maxBodyBytes, scope.platform.openDecoder);

type SentBody = Pick<RelayedTurn, "body" | "sentDigest" | "sentModel">;

/**
 * A body that was read: its text is on record where it is some, its hash and size where not all is
 * kept.
 */
async function notedBody(parts: TurnRequest, read: ReadBody): Promise<SentBody> {
  const { bytes } = read;
  if (bytes.byteLength === 0) return { body: null, sentDigest: null };
  // A text that cannot be decoded is upstream's to refuse.
  const isText = TEXT_TYPES.test(contentTypeOf(parts));
  if (isText) parts.turn.requested({ text: await read.text().catch(() => null) });
  if (isKept(parts)) return { body: bytes, sentDigest: null };
  const hash = parts.scope.platform.sha256();
  hash.update(bytes);
  const contentType = contentTypeOf(parts);
  const digest = { sha256: hash.hex(), bytes: bytes.byteLength, contentType };
  const form = openFormModelReader(contentType);
  form?.onChunk(bytes);
  const model = form?.model() ?? null;
  // A request may yet be refused, and is then on record with its model, too.
  if (model !== null) parts.turn.modelSeen(model);
  return { body: bytes, sentDigest: () => digest, sentModel: () => model };
}

/** A body that is handed on as it comes. */
function streamedBody(parts: TurnRequest): SentBody {
  const source: UpstreamRequest["body"] = hasNoBody(parts) ? null : parts.request.body;
  if (!(source instanceof ReadableStream)) return { body: null, sentDigest: null };
  const contentType = contentTypeOf(parts);
  const form = openFormModelReader(contentType);
  const tap = openDigestTap(source, parts.scope.platform.sha256(), form?.onChunk);
  return {
    body: tap.readable,
    sentDigest: () => ({ ...tap.digest(), contentType }),
    sentModel: () => form?.model() ?? null,
  };
}
