import { ApiError } from "../openai/api-error.ts";
import type { ReadBody } from "../stream/read-body.ts";
import { readMediaType, type MediaType } from "./media-type.ts";
import type { Endpoint } from "./model-places.ts";
import { cannotTell } from "./model-refusal.ts";
import { decodeText, readForm, type FormPart } from "./read-form.ts";
import { readJsonModels } from "./read-json-models.ts";
import { placeTree, WatchedMembers, type NamedModel } from "./watched-members.ts";

interface JudgedBody {
  endpoint: Endpoint;
  headers: Headers;
  body: ReadBody | null;
  /** Whether path or query name the request's model. */
  isNamed: boolean;
}

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json$/;
/**
 * What both runtimes undo. Under brotli a text of JSON can be valid data too, which a server that
 * does not undo it would read otherwise.
 */
const ENCODINGS = /^(?:gzip|deflate|identity)$/;

/** The body without its encodings. */
async function decoded({ headers, body }: JudgedBody): Promise<Uint8Array> {
  const encoding = headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (!ENCODINGS.test(encoding))
    throw cannotTell(
      `a body with content-encoding "${encoding.slice(0, 100)}" cannot be judged: send it as gzip, or as it is`,
      "content-encoding",
    );
  try {
    return (await body?.decoded()) ?? new Uint8Array();
  } catch (error) {
    // Beyond a limit of size it is another error, which says so.
    if (!(error instanceof ApiError) || error.status === 413) throw error;
    throw cannotTell(`the body is no ${encoding} data, as its content-encoding says`);
  }
}

const otherwiseOf = ({ otherwise }: Endpoint) => otherwise ?? "upstream would choose one";

async function jsonModels(judged: JudgedBody, bytes: Uint8Array): Promise<NamedModel[]> {
  const { endpoint, isNamed } = judged;
  return readJsonModels({
    text: decodeText(bytes),
    tree: placeTree(endpoint),
    place: "",
    otherwise: otherwiseOf(endpoint),
    isNamed,
  });
}

/** A part's name is judged as a member's; `session` of a call is a text of JSON. */
async function formModels(judged: JudgedBody, parts: FormPart[]): Promise<NamedModel[]> {
  const tree = placeTree(judged.endpoint);
  const otherwise = otherwiseOf(judged.endpoint);
  const members = new WatchedMembers(tree, "");
  const models: NamedModel[] = [];
  for (const { name, isFile, value } of parts) {
    const node = members.enter(name, "the part");
    if (node === null || node.anywhere) continue;
    if (isFile) throw cannotTell(`the part "${name}" is a file`, name);
    const text = decodeText(value);
    if (node.isModel) models.push({ place: name, model: text });
    else
      models.push(
        ...(await readJsonModels({ text, tree: node, place: name, otherwise, isNamed: false })),
      );
  }
  members.end(otherwise, judged.isNamed);
  return models;
}

async function modelsIn(judged: JudgedBody, bytes: Uint8Array, media: MediaType) {
  const { endpoint, isNamed } = judged;
  if (endpoint.rawType === media.type) {
    if (isNamed) return [];
    throw cannotTell(
      `its query has no "model", so that ${otherwiseOf(endpoint)}: name one`,
      "model",
    );
  }
  if (media.type === "" || JSON_TYPE.test(media.type)) return jsonModels(judged, bytes);
  if (media.type === "multipart/form-data") return formModels(judged, await readForm(bytes, media));
  throw cannotTell(
    `it cannot be told which model a body of type ${media.type} names: send JSON with content-type application/json`,
    "content-type",
  );
}

/**
 * The models that a request's body names.
 * @throws ApiError 403 where they cannot be told, or there is none where one is needed
 */
export async function readBodyModels(judged: JudgedBody): Promise<NamedModel[]> {
  const { endpoint, headers, body, isNamed } = judged;
  const isRead = endpoint.body !== undefined || endpoint.anywhere === true;
  if (!isRead) return [];
  const otherwise = otherwiseOf(endpoint);
  if (body === null || body.bytes.length === 0) {
    // Nothing is known of it, and there is nothing that could name a model.
    if (endpoint.anywhere) return [];
    new WatchedMembers(placeTree(endpoint), "").end(otherwise, isNamed);
  }
  const bytes = body === null || body.bytes.length === 0 ? null : await decoded(judged);
  const models =
    bytes === null ? [] : await modelsIn(judged, bytes, readMediaType(headers.get("content-type")));
  if (models.length === 0 && !isNamed && !endpoint.mayNameNone)
    throw cannotTell(`the request names no model, so that ${otherwise}: name one`, "model");
  return models;
}
