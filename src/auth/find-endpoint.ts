import { MODEL_PLACES, NO_MODEL, type Endpoint } from "./model-places.ts";
import { cannotTell } from "./model-refusal.ts";

/** What a method and a path say of a request's models. */
export interface FoundEndpoint {
  /** Null: the request uses no model, and its body is not read. */
  endpoint: Endpoint | null;
  /** Models that the path names. */
  models: string[];
}

/** A path that nobody knows: whatever its body names has to be allowed. */
const UNKNOWN: Endpoint = { path: "/**", body: { model: "always" }, anywhere: true };
/** Nobody's DELETE has a body, so that one with a body is judged as if nothing were known of it. */
const DELETION: Endpoint = { ...UNKNOWN, methods: ["DELETE"] };

/** What ids are made of. A path with other characters is one that some servers read otherwise. */
const PLAIN = /^(?!\.{1,2}$)[\w.~:@-]+$/;
/** Behind these words stands a model: `/engines/{model}/completions`, as Azure's deployments. */
const BEFORE_A_MODEL = /^(?:models?|engines?|deployments?)$/;

interface Row {
  endpoint: Endpoint | null;
  methods: readonly string[];
  segments: string[];
}

const rowOf = (path: string, endpoint: Endpoint | null): Row => ({
  endpoint,
  methods: endpoint?.methods ?? ["POST"],
  segments: path.slice(1).split("/"),
});

const ROWS: readonly Row[] = [
  ...MODEL_PLACES.map((endpoint) => rowOf(endpoint.path, endpoint)),
  ...NO_MODEL.map((path) => rowOf(path, null)),
  // Words before ids: `/threads/runs` is no thread.
].toSorted((a, b) => Number(a.segments.includes("{id}")) - Number(b.segments.includes("{id}")));

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw cannotTell("the path has an escape that cannot be read");
  }
}

/** The models that the path names where it is of this row, or null. Words in any case. */
function match(row: Row, segments: string[]): string[] | null {
  const models: string[] = [];
  for (const [index, expected] of row.segments.entries()) {
    const segment = segments[index];
    if (expected === "**")
      return segments.slice(index).every((one) => PLAIN.test(one)) ? models : null;
    if (segment === undefined) return null;
    if (expected === "{model...}") return [...models, decoded(segments.slice(index).join("/"))];
    if (expected === "{model}") models.push(decoded(segment));
    else if (expected === "{id}" ? !PLAIN.test(segment) : segment.toLowerCase() !== expected)
      return null;
  }
  return segments.length === row.segments.length ? models : null;
}

function findRow(method: string, segments: string[]): FoundEndpoint | null {
  for (const row of ROWS) {
    if (!row.methods.includes(method)) continue;
    const models = match(row, segments);
    if (models === null) continue;
    const isExact = row.segments.every((word, at) => /[{*]/.test(word) || word === segments[at]);
    if (!isExact) throw cannotTell("the path is not spelled as the API has it, in lower case");
    return { endpoint: row.endpoint, models };
  }
  return null;
}

/** `/openai/v1/…` of Azure, and whatever stands before an endpoint, is that endpoint. */
function findTail(method: string, segments: string[]): FoundEndpoint | null {
  for (let start = 1; start < segments.length; start++) {
    const found = findRow(method, segments.slice(start));
    if (found !== null && found.endpoint !== null) return found;
  }
  return null;
}

const unknown = (method: string): Endpoint | null => {
  if (method === "GET" || method === "HEAD") return null;
  return method === "DELETE" ? DELETION : UNKNOWN;
};

/**
 * The row of the table for a request.
 * @param path normalised, as `/v1/embeddings`
 * @throws ApiError 403 where the path is one that a server could read otherwise
 */
export function findEndpoint(method: string, path: string): FoundEndpoint {
  const all = path.split("/").filter((segment) => segment !== "");
  const below = all[0] === "v1" ? all.slice(1) : all;
  const isAzure = below[0] === "openai";
  const segments = isAzure ? below.slice(below[1] === "v1" ? 2 : 1) : below;
  const asked = method === "HEAD" ? "GET" : method;
  const known = findRow(asked, segments);
  if (known !== null) return known;
  const word = segments.findIndex((segment) => BEFORE_A_MODEL.test(segment.toLowerCase()));
  const model = word === -1 ? undefined : segments[word + 1];
  const models = model === undefined ? [] : [decoded(model)];
  const rest = model === undefined ? segments : segments.slice(word + 2);
  const found = findRow(asked, rest) ?? findTail(asked, rest);
  if (found !== null) return { endpoint: found.endpoint, models: [...models, ...found.models] };
  const isPlain = rest.every((segment) => PLAIN.test(segment));
  if (!isPlain && asked !== "GET")
    throw cannotTell("the path has characters that servers read in different ways");
  return { endpoint: unknown(asked), models };
}
