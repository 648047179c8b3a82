/** A request that is refused is on record with its model too. */
import { requestedModel } from "../limits/reported-rounds.ts";
import { openFormModelReader } from "../stream/form-model.ts";
import { readBody, type ReadBody } from "../stream/read-body.ts";
import type { TurnRequest } from "./in-turn.ts";

/** Of a refused request no more than this is read: a refusal has to be cheap. */
const MAX_READ_BYTES = 64 * 1024;

type RefusedRequest = Pick<TurnRequest, "scope" | "request" | "turn">;

/** A body that was not read yet, where it says that it is small. */
async function smallBody({ scope, request }: RefusedRequest): Promise<ReadBody | null> {
  const length = Number(request.headers.get("content-length") ?? Infinity);
  if (length > MAX_READ_BYTES || request.bodyUsed) return null;
  return readBody(request, MAX_READ_BYTES, scope.platform.openDecoder);
}

/** The model that a body names, or null where nobody can tell. */
async function modelOf(parts: RefusedRequest, read: ReadBody | null): Promise<string | null> {
  const body = read ?? (await smallBody(parts));
  if (body === null || body.bytes.byteLength > MAX_READ_BYTES) return null;
  const form = openFormModelReader(parts.request.headers.get("content-type") ?? "");
  form?.onChunk(body.bytes);
  if (form !== null) return form.model();
  return requestedModel({ ...parts.turn.record, request: await body.text() });
}

/**
 * Does what may refuse a request, and notes the model of one that is refused.
 * @param read the request's body, or null where it was not read yet
 * @throws what `judge` throws
 */
export async function refusable<T>(
  parts: RefusedRequest,
  read: ReadBody | null,
  judge: () => Promise<T>,
): Promise<T> {
  try {
    return await judge();
  } catch (refusal) {
    // A body that cannot be read names no model: the refusal is what counts.
    const model = await modelOf(parts, read).catch(() => null);
    if (model !== null) parts.turn.modelSeen(model);
    throw refusal;
  }
}
