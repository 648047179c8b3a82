import { ApiError } from "../openai/api-error.ts";
import type { ReadBody } from "../stream/read-body.ts";
import type { AuthenticatedKey } from "./authenticate.ts";
import { findEndpoint, type FoundEndpoint } from "./find-endpoint.ts";
import { cannotTell } from "./model-refusal.ts";
import { readBodyModels } from "./read-body-models.ts";
import { looksLikeModel, type NamedModel } from "./watched-members.ts";

/** What a request's models are judged by, beside its body. */
export interface JudgedRequest {
  method: string;
  /** Normalised, as `/v1/embeddings`. */
  path: string;
  search: URLSearchParams;
  headers: Headers;
}

type Key = Pick<AuthenticatedKey, "allowedModels" | "unpriced">;

/**
 * Refuses a model that the key may not use.
 * @throws ApiError 403
 */
export function checkModel(key: Pick<Key, "allowedModels">, model: string | null): void {
  if (key.allowedModels === null || model === null || key.allowedModels.includes(model)) return;
  const names = key.allowedModels.join(", ") || "none";
  throw new ApiError(
    "model_not_allowed",
    `This API key may not use the model "${model.slice(0, 200)}". It may use: ${names}.`,
    { param: "model" },
  );
}

/** What is known of the request; WebSockets have rows of their own. */
function endpointOf({ method, path, headers }: JudgedRequest): FoundEndpoint {
  const found = findEndpoint(method, path);
  const isWebSocket = headers.get("upgrade")?.toLowerCase() === "websocket";
  return found.endpoint?.webSocket && !isWebSocket ? { ...found, endpoint: null } : found;
}

const hasNoBody = (method: string) => method === "GET" || method === "HEAD";

/**
 * Whether the body must be read to judge the models of a request. A body that need not be is passed
 * on unread, whatever its size.
 * @throws ApiError 403 where the path alone cannot be judged
 */
export function mustReadBody(key: Key, request: JudgedRequest): boolean {
  if (!isRestricted(key) || hasNoBody(request.method)) return false;
  const { endpoint } = endpointOf(request);
  return endpoint !== null && (endpoint.body !== undefined || endpoint.anywhere === true);
}

/** Some gateways choose the model by a header, and some frameworks the method. */
function refuseHeaders(headers: Headers): void {
  for (const [name] of headers) {
    const plain = name.toLowerCase();
    if (plain.includes("model") || /^x-(?:http-)?method(?:-override)?$/.test(plain))
      throw cannotTell(`the header "${plain}" could change which model is used`, plain);
  }
}

/** The models that the query names. Some servers separate by semicolons too. */
function queryModels({ method, search }: JudgedRequest): NamedModel[] {
  const parameters = [...search].flatMap(([name, value]) => `${name}=${value}`.split(";"));
  return parameters.flatMap((parameter) => {
    const end = parameter.indexOf("=");
    const name = end === -1 ? parameter : parameter.slice(0, end);
    if (name === "model") return [{ place: "model", model: parameter.slice(end + 1) }];
    // A GET runs no model: its other parameters are filters, as of an account's usage.
    const isModel = hasNoBody(method) ? name.toLowerCase() === "model" : looksLikeModel(name);
    if (isModel)
      throw cannotTell(`it cannot be told which model the parameter "${name}" names`, name);
    return [];
  });
}

/** @throws ApiError 403 where the places that name the request's own model do not agree */
function checkOneModel(named: readonly NamedModel[]): void {
  const own = named.filter(({ place }) => place === "model");
  const [first] = own;
  const other = own.find(({ model }) => model !== first?.model);
  if (first !== undefined && other !== undefined)
    throw cannotTell(
      `the request names two models, "${first.model.slice(0, 200)}" and "${other.model.slice(0, 200)}"`,
      "model",
    );
}

/** Whether a key wants to know the models of a request: not all are allowed, or not at any price. */
const isRestricted = ({ allowedModels, unpriced }: Key): boolean =>
  allowedModels !== null || unpriced === "refuse";

/** All models that a request names. @throws ApiError 403 where one cannot be told */
async function namedModels(request: JudgedRequest, body: ReadBody | null): Promise<NamedModel[]> {
  const { endpoint, models } = endpointOf(request);
  if (endpoint?.elsewhere !== undefined)
    throw cannotTell(`${endpoint.elsewhere}: that takes a key that may use all`);
  refuseHeaders(request.headers);
  const outside = [...models.map((model) => ({ place: "model", model })), ...queryModels(request)];
  if (endpoint?.query && outside.length === 0)
    throw cannotTell(
      `the request's query has no "model", so that ${endpoint.otherwise}: name one`,
      "model",
    );
  if (endpoint === null || hasNoBody(request.method)) return outside;
  const isNamed = outside.length > 0;
  const { headers } = request;
  return [...outside, ...(await readBodyModels({ endpoint, headers, body, isNamed }))];
}

/** What a request's models were judged to be. */
interface JudgedModels {
  /** All that it names, each once; none for keys without a restriction. */
  all: string[];
}

/**
 * Judges all models that a request names, where the key may use certain ones only. Upstream must be
 * sent exactly the bytes that are judged here.
 * @param body null where {@link mustReadBody} says that it need not be read, or there is none
 * @throws ApiError 403 where one is not allowed, or cannot be told
 */
export async function checkModels(
  key: Key,
  request: JudgedRequest,
  body: ReadBody | null,
): Promise<JudgedModels> {
  if (!isRestricted(key)) return { all: [] };
  const named = await namedModels(request, body);
  for (const { model } of named) checkModel(key, model);
  checkOneModel(named);
  return { all: [...new Set(named.map(({ model }) => model))] };
}
