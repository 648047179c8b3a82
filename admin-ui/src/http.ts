/**
 * All HTTP of the page. The session is a cookie that scripts cannot read: no token is ever held
 * here.
 */
import { EventSourceParserStream } from "eventsource-parser/stream";
import type * as Shape from "./api-shapes.ts";

/** An answer that is no success, or none at all (status 0). `param` names the field at fault. */
export class HttpError extends Error {
  readonly status: number;
  readonly param: string | null;
  constructor(status: number, fault: Pick<Shape.ApiFault, "message" | "param">) {
    super(fault.message);
    this.name = "HttpError";
    this.status = status;
    this.param = fault.param;
  }
}

/** Something that can be read, and what it is then. */
export interface Resource<T> {
  path: string;
  /** Never there: it carries the type. */
  shape?: T;
}

/** Says "end" when the server no longer knows the session. */
export const session = new EventTarget();

const LARGEST_PAGE = 200;
const ADMIN = "/api/admin";
const NO_ANSWER = "The server does not answer. Is it running, and is this machine on line?";

/** Parameters of an address; what is null or undefined is left out. */
export type Query = Record<string, string | number | null | undefined>;

function query(fields: Query): string {
  const given = Object.entries(fields).flatMap(([name, value]) =>
    value === null || value === undefined ? [] : [[name, String(value)]],
  );
  return given.length === 0 ? "" : `?${new URLSearchParams(given).toString()}`;
}

async function send(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(path, { credentials: "same-origin", ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new HttpError(0, { message: NO_ANSWER, param: null });
  }
}

/** What the server says is wrong; proxies in front of it answer with pages that are no JSON. */
async function faultOf(response: Response): Promise<HttpError> {
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json") === true;
  const { error } = (isJson ? JSON.parse(text) : {}) as { error?: Shape.ApiFault };
  return new HttpError(
    response.status,
    error ?? { message: `The server answered with status ${response.status}.`, param: null },
  );
}

/** A successful answer of the admin API. @throws HttpError */
async function answerOf(path: string, init: RequestInit): Promise<Response> {
  const response = await send(path, init);
  if (response.ok || (path === "/health" && response.status === 503)) return response;
  const fault = await faultOf(response);
  if (response.status === 401 && path !== `${ADMIN}/login`) session.dispatchEvent(new Event("end"));
  throw fault;
}

async function request<T>(path: string, init: RequestInit): Promise<T> {
  const response = await answerOf(path, init);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

const jsonBody = (body: unknown) => ({
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
});

const write = <T>(method: string, path: string, body?: unknown): Promise<T> =>
  request<T>(path, body === undefined ? { method } : { method, ...jsonBody(body) });

/** Reads a resource. @throws HttpError */
export function read<T>(resource: Resource<T>, signal: AbortSignal): Promise<T> {
  return request<T>(resource.path, { signal });
}

const at = (kind: string, id: string, more = "") =>
  `${ADMIN}/${kind}/${encodeURIComponent(id)}${more}`;

/** Everything that can be read. */
export const resources = {
  health: (): Resource<Shape.Health> => ({ path: "/health" }),
  keys: (page: Query): Resource<Shape.Page<Shape.ApiKey>> => ({
    path: `${ADMIN}/api-keys${query({ limit: 50, ...page })}`,
  }),
  key: (id: string): Resource<Shape.ApiKey> => ({ path: at("api-keys", id) }),
  keyPreview: (id: string): Resource<Shape.KeyPreview> => ({
    path: at("api-keys", id, "/preview"),
  }),
  tools: (page: Query): Resource<Shape.Page<Shape.Tool>> => ({
    path: `${ADMIN}/tools${query({ limit: 50, ...page })}`,
  }),
  tool: (id: string): Resource<Shape.Tool> => ({ path: at("tools", id) }),
  servers: (): Resource<{ data: Shape.McpServer[] }> => ({ path: `${ADMIN}/tools/servers` }),
  conversations: (page: Query): Resource<Shape.Page<Shape.Conversation>> => ({
    path: `${ADMIN}/conversations${query({ limit: 50, ...page })}`,
  }),
  conversation: (id: string): Resource<Shape.ConversationDetail> => ({
    path: at("conversations", id),
  }),
  stats: (range: Query): Resource<Shape.Stats> => ({ path: `${ADMIN}/stats${query(range)}` }),
  audit: (page: Query): Resource<Shape.Page<Shape.AuditEntry>> => ({
    path: `${ADMIN}/audit${query({ limit: 50, ...page })}`,
  }),
  settings: (): Resource<Shape.Settings> => ({ path: `${ADMIN}/settings` }),
};

/** Where a browser downloads conversations as JSON lines. */
export const exportAddress = (filter: Query): string =>
  `${ADMIN}/conversations/export${query(filter)}`;

async function readAll<Row>(
  pageOf: (page: Query) => Resource<Shape.Page<Row>>,
  signal: AbortSignal,
): Promise<Row[]> {
  const rows: Row[] = [];
  let cursor: string | null = null;
  do {
    const page: Shape.Page<Row> = await read(pageOf({ cursor, limit: LARGEST_PAGE }), signal);
    rows.push(...page.data);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return rows;
}

const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name);

/** Every tool, page after page, by name. */
export const readAllTools = async (signal: AbortSignal): Promise<Shape.Tool[]> =>
  (await readAll(resources.tools, signal)).toSorted(byName);

/** Every key, page after page, by name. */
export const readAllKeys = async (signal: AbortSignal): Promise<Shape.ApiKey[]> =>
  (await readAll(resources.keys, signal)).toSorted(byName);

/** What of a key can be sent; fields that are left out stay as they are. */
export type KeyFields = Partial<
  Pick<
    Shape.ApiKey,
    | "name"
    | "isActive"
    | "toolIds"
    | "expiresAt"
    | "openaiBaseUrl"
    | "upstreamDialect"
    | "allowedModels"
    | "toolMemory"
    | "toolMaxRounds"
    | "logContent"
    | "requestsPerMinute"
    | "tokensPerMinute"
    | "monthlyBudget"
    | "answerCacheSeconds"
    | "unpriced"
  >
> & { openaiApiKey?: string | null };

/** What of a tool is only shown. */
type ShownOnly =
  | "id"
  | "createdAt"
  | "updatedAt"
  | "envNames"
  | "mcpHeaderNames"
  | "mcpChange"
  | "mcpChangedAt"
  | "mcpCheckedAt";

/** What of a tool can be sent; fields that are left out stay as they are. */
export type ToolFields = Partial<Omit<Shape.Tool, ShownOnly>> & {
  env?: Record<string, string> | null;
  mcpHeaders?: Record<string, string> | null;
};

/** Where tools are looked for. */
export type DiscoverySource =
  | { mcpServerCommand: string; env?: Record<string, string> }
  | { mcpServerUrl: string; mcpHeaders?: Record<string, string> }
  | { mcpServers: Record<string, unknown> };

/** Everything that can be done. @throws HttpError */
export const actions = {
  signIn: (password: string) =>
    write<{ expiresAt: string }>("POST", `${ADMIN}/login`, { password }),
  signOut: () => write<undefined>("POST", `${ADMIN}/logout`),
  createKey: (fields: KeyFields) => write<Shape.CreatedKey>("POST", `${ADMIN}/api-keys`, fields),
  updateKey: (id: string, fields: KeyFields) =>
    write<Shape.ApiKey>("PATCH", at("api-keys", id), fields),
  rotateKey: (id: string, overlapSeconds: number) =>
    write<Shape.CreatedKey>("POST", at("api-keys", id, "/rotate"), { overlapSeconds }),
  deleteKey: (id: string) => write<undefined>("DELETE", at("api-keys", id)),
  setKeyTool: (id: string, toolId: string, isOn: boolean) =>
    write<unknown>(
      isOn ? "PUT" : "DELETE",
      at("api-keys", id, `/tools/${encodeURIComponent(toolId)}`),
    ),
  createTool: (fields: ToolFields) => write<Shape.Tool>("POST", `${ADMIN}/tools`, fields),
  updateTool: (id: string, fields: ToolFields) =>
    write<Shape.Tool>("PATCH", at("tools", id), fields),
  deleteTool: (id: string) => write<undefined>("DELETE", at("tools", id)),
  tryTool: (id: string, args: unknown) =>
    write<Shape.Trial>("POST", at("tools", id, "/try"), { arguments: args }),
  checkTool: (id: string) => write<Shape.Tool>("POST", at("tools", id, "/check")),
  /** `mcpChangedAt`: of the change that was looked at, so that no other one is decided about. */
  decideChange: (id: string, decision: { action: "approve" | "dismiss"; mcpChangedAt?: string }) =>
    write<Shape.Tool>("POST", at("tools", id, "/change"), decision),
  discover: (source: DiscoverySource) =>
    write<{ tools?: Shape.FoundTool[]; servers?: Shape.FoundServer[] }>(
      "POST",
      `${ADMIN}/tools/discover`,
      source,
    ),
  restartServers: (which: { id: string } | { command: string }) =>
    write<undefined>("POST", `${ADMIN}/tools/servers/restart`, which),
  deleteConversation: (id: string) => write<undefined>("DELETE", at("conversations", id)),
};

/** The data of each event of a response, in order. */
async function* eventsOf(
  response: Response,
): AsyncGenerator<{ event: string | undefined; data: string }> {
  if (response.body === null) return;
  const events = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream());
  for await (const { event, data } of events) yield { event, data };
}

/** Each new or changed conversation, for ever. @throws HttpError */
export async function* followConversations(
  filter: Query,
  signal: AbortSignal,
): AsyncGenerator<Shape.Conversation> {
  const response = await answerOf(`${ADMIN}/conversations/live${query(filter)}`, { signal });
  for await (const { event, data } of eventsOf(response))
    if (event === "conversation") yield JSON.parse(data) as Shape.Conversation;
}

/** An answer that is being streamed. */
export interface AnswerStream {
  /** The record's ids: of the conversation, and of this turn. */
  conversationId: string | null;
  turnId: string | null;
  chunks: AsyncGenerator;
}

async function* chunksOf(response: Response): AsyncGenerator {
  for await (const { data } of eventsOf(response))
    if (data !== "[DONE]") yield JSON.parse(data) as unknown;
}

/** Asks as an application would, with its key. @param asked below `/v1` @throws HttpError */
export async function streamAnswer(
  key: string,
  asked: { path: string; body: object },
  signal: AbortSignal,
): Promise<AnswerStream> {
  const { headers, body: text } = jsonBody({ ...asked.body, stream: true });
  // With the operator's cookie the stream tells of each tool as it runs.
  const asking = { ...headers, authorization: `Bearer ${key}`, "x-proxy-tool-events": "1" };
  const response = await send(`/v1${asked.path}`, {
    method: "POST",
    headers: asking,
    body: text,
    signal,
    credentials: "same-origin",
  });
  if (!response.ok) throw await faultOf(response);
  return {
    conversationId: response.headers.get("x-proxy-conversation-id"),
    turnId: response.headers.get("x-proxy-request-id"),
    chunks: chunksOf(response),
  };
}
