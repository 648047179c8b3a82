/**
 * Endpoints as figures know them: the paths that OpenAI's API and its like have, with `{id}` in the
 * place of ids. A record keeps the path as it was.
 *
 * Nobody can make up groups: a path that is none of these is `/v1/files/{other}` under a resource
 * that is known, and `/v1/{other}` elsewhere.
 */

/**
 * Paths under `/v1`, each with its ids and all of its beginnings. From the specification at
 * https://github.com/openai/openai-openapi (2026-11), and what compatible servers (vLLM, llama.cpp,
 * LiteLLM, Ollama) have beside it.
 */
const PATHS = [
  "assistants/{id}",
  "audio/speech",
  "audio/transcriptions",
  "audio/translations",
  "audio/voice_consents/{id}",
  "audio/voices/{id}",
  "batches/{id}/cancel",
  "chat/completions/{id}/messages",
  "chatkit/sessions/{id}/cancel",
  "chatkit/threads/{id}/items",
  "classify",
  "completions",
  "containers/{id}/files/{id}/content",
  "conversations/{id}/items/{id}",
  "detokenize",
  "edits",
  "embeddings",
  "engines/{id}/completions",
  "engines/{id}/embeddings",
  "evals/{id}/runs/{id}/output_items/{id}",
  "evals/{id}/runs/{id}/cancel",
  "files/{id}/content",
  "fine_tuning/alpha/graders/run",
  "fine_tuning/alpha/graders/validate",
  "fine_tuning/checkpoints/{id}/permissions/{id}",
  "fine_tuning/jobs/{id}/cancel",
  "fine_tuning/jobs/{id}/checkpoints",
  "fine_tuning/jobs/{id}/events",
  "fine_tuning/jobs/{id}/pause",
  "fine_tuning/jobs/{id}/resume",
  "images/edits",
  "images/generations",
  "images/variations",
  "messages/batches/{id}/results",
  "messages/count_tokens",
  "models/{id}",
  "moderations",
  "organization/{id}",
  "pooling",
  "realtime/calls/{id}/accept",
  "realtime/calls/{id}/hangup",
  "realtime/calls/{id}/refer",
  "realtime/calls/{id}/reject",
  "realtime/client_secrets",
  "realtime/sessions",
  "realtime/transcription_sessions",
  "realtime/translations",
  "rerank",
  "responses/compact",
  "responses/input_tokens",
  "responses/{id}/cancel",
  "responses/{id}/input_items",
  "score",
  "skills/{id}/content",
  "skills/{id}/versions/{id}/content",
  "threads/runs",
  "threads/{id}/messages/{id}",
  "threads/{id}/runs/{id}/cancel",
  "threads/{id}/runs/{id}/steps/{id}",
  "threads/{id}/runs/{id}/submit_tool_outputs",
  "tokenize",
  "uploads/{id}/cancel",
  "uploads/{id}/complete",
  "uploads/{id}/parts",
  "vector_stores/{id}/file_batches/{id}/cancel",
  "vector_stores/{id}/file_batches/{id}/files",
  "vector_stores/{id}/files/{id}/content",
  "vector_stores/{id}/search",
  "videos/edits",
  "videos/extensions",
  "videos/{id}/content",
  "videos/{id}/remix",
];

/** Endpoints whose requests go on from one another. */
const CONVERSING = new Set(["/v1/chat/completions", "/v1/responses", "/mcp"]);

/** A part of a path, and what may come after it. */
type Branch = Map<string, Branch>;

function grow(paths: string[]): Branch {
  const root: Branch = new Map();
  for (const path of paths) {
    let branch = root;
    for (const segment of path.split("/")) {
      const next: Branch = branch.get(segment) ?? new Map();
      branch.set(segment, next);
      branch = next;
    }
  }
  return root;
}

const ROOT = grow(PATHS);
const ID = "{id}";
const OTHER = "{other}";
/**
 * Resources whose ids may have slashes in them, as `/v1/models/meta-llama/Llama-3.3-70B` has.
 */
const SLASHED = new Set(["models"]);

/**
 * The endpoint of a path, for figures.
 * @param path normalised, as `/v1/files/file-abc/content` → `/v1/files/{id}/content`
 */
export function endpointGroup(path: string): string {
  if (path === "/mcp") return path;
  const [, version, ...segments] = path.split("/");
  if (version !== "v1") return `/${OTHER}`;
  const [resource = ""] = segments;
  let branch = ROOT;
  const named: string[] = [version];
  for (const segment of segments) {
    const isWord = branch.has(segment) && segment !== ID;
    const name = isWord ? segment : ID;
    const next = branch.get(name);
    if (next === undefined) return `/${named.slice(0, 2).join("/")}/${OTHER}`;
    named.push(name);
    branch = next;
    if (name === ID && SLASHED.has(resource)) break;
  }
  return `/${named.join("/")}`;
}

/** Whether an endpoint's requests go on from one another, so that they make conversations. */
export const hasConversations = (endpoint: string): boolean => CONVERSING.has(endpoint);

/** Which paths a group has, as sources of regular expressions for the whole path. */
interface EndpointPattern {
  /** What they are like. */
  like: string;
  /** What they are not like besides; null: all that are like it are of the group. */
  unlike: string | null;
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** An id: not one of the words that may stand in its place. */
function idSource(branch: Branch | undefined, resource: string): string {
  const text = SLASHED.has(resource) ? ".+" : "[^/]+";
  const words = [...(branch?.keys() ?? [])].filter((word) => word !== ID).map(escaped);
  return words.length === 0 ? text : `(?!(${words.join("|")})(/|$))${text}`;
}

function sourceOf(group: string): string {
  const [, version = "", ...segments] = group.split("/");
  const [resource = ""] = segments;
  let branch: Branch | undefined = ROOT;
  const parts = [escaped(version)];
  for (const segment of segments) {
    parts.push(segment === ID ? idSource(branch, resource) : escaped(segment));
    branch = branch?.get(segment);
  }
  return `/${parts.join("/")}`;
}

/** All paths below a branch, with what leads to it. */
function below(branch: Branch, start: string): string[] {
  return [...branch].flatMap(([name, next]) => [
    `${start}/${name}`,
    ...below(next, `${start}/${name}`),
  ]);
}

/**
 * How the paths of a group are found.
 * @returns null where it is a path, and no group of several
 */
export function endpointPattern(group: string): EndpointPattern | null {
  if (group.endsWith(`/${OTHER}`)) {
    const start = group.slice(0, -OTHER.length - 1);
    const [, , resource] = start.split("/");
    // Of a resource that is known, what is none of its paths; elsewhere, what is no resource.
    const known =
      resource === undefined
        ? [...ROOT.keys()].map((name) => `${escaped(`${start}/${name}`)}(/.*)?`)
        : below(ROOT, "/v1")
            .filter((path) => path === start || path.startsWith(`${start}/`))
            .map(sourceOf);
    return { like: `^${escaped(start)}/.*$`, unlike: `^(${known.join("|")})$` };
  }
  return group.includes(ID) ? { like: `^${sourceOf(group)}$`, unlike: null } : null;
}
