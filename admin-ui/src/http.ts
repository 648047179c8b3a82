/** All HTTP of the page. The session is a cookie that scripts cannot read: no token is ever held here. */
import type { ApiFault, ApiKey, Conversation, ConversationDetail, CreatedKey, Health, Page, Tool } from "./api-shapes.ts";

/** An answer that is no success, or none at all (status 0). `param` names the field at fault. */
export class HttpError extends Error {
  readonly status: number;
  readonly param: string | null;
  constructor(status: number, fault: Pick<ApiFault, "message" | "param">) {
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

function query(fields: Record<string, string | number | null>): string {
  const given = Object.entries(fields).flatMap(([name, value]) => (value === null ? [] : [[name, String(value)]]));
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
  const { error } = (isJson ? JSON.parse(text) : {}) as { error?: ApiFault };
  return new HttpError(response.status, error ?? { message: `The server answered with status ${response.status}.`, param: null });
}

async function request<T>(path: string, init: RequestInit): Promise<T> {
  const response = await send(path, init);
  if (!response.ok && !(path === "/health" && response.status === 503)) {
    const fault = await faultOf(response);
    if (response.status === 401 && path !== `${ADMIN}/login`) session.dispatchEvent(new Event("end"));
    throw fault;
  }
  return (response.status === 204 ? undefined : await response.json()) as T;
}

const write = <T>(method: string, path: string, body?: unknown): Promise<T> =>
  request<T>(
    path,
    body === undefined ? { method } : { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
  );

/** Reads a resource. @throws HttpError */
export function read<T>(resource: Resource<T>, signal: AbortSignal): Promise<T> {
  return request<T>(resource.path, { signal });
}

/** Everything that can be read. */
export const resources = {
  health: (): Resource<Health> => ({ path: "/health" }),
  keys: (page: { cursor: string | null; limit?: number }): Resource<Page<ApiKey>> => ({
    path: `${ADMIN}/api-keys${query({ limit: 50, ...page })}`,
  }),
  tools: (page: { cursor: string | null; limit?: number }): Resource<Page<Tool>> => ({
    path: `${ADMIN}/tools${query({ limit: 50, ...page })}`,
  }),
  tool: (id: string): Resource<Tool> => ({ path: `${ADMIN}/tools/${encodeURIComponent(id)}` }),
  conversations: (page: { cursor: string | null; apiKeyId: string | null; limit?: number }): Resource<Page<Conversation>> => ({
    path: `${ADMIN}/conversations${query({ limit: 50, ...page })}`,
  }),
  conversation: (id: string): Resource<ConversationDetail> => ({ path: `${ADMIN}/conversations/${encodeURIComponent(id)}` }),
};

/** Every tool, page after page, by name. */
export async function readAllTools(signal: AbortSignal): Promise<Tool[]> {
  const tools: Tool[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<Tool> = await read(resources.tools({ cursor, limit: LARGEST_PAGE }), signal);
    tools.push(...page.data);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return tools.toSorted((a, b) => a.name.localeCompare(b.name));
}

/** What of a key can be sent; fields that are left out stay as they are. */
export interface KeyFields {
  name?: string;
  isActive?: boolean;
  toolIds?: string[];
  expiresAt?: string | null;
  openaiApiKey?: string | null;
  openaiBaseUrl?: string | null;
  allowedModels?: string[] | null;
  toolMemory?: boolean;
  toolMaxRounds?: number | null;
}

/** What of a tool can be sent; fields that are left out stay as they are. */
export type ToolFields = Partial<Omit<Tool, "id" | "createdAt" | "updatedAt" | "envNames">> & { env?: Record<string, string> | null };

/** Everything that can be done. @throws HttpError */
export const actions = {
  signIn: (password: string) => write<{ expiresAt: string }>("POST", `${ADMIN}/login`, { password }),
  signOut: () => write<undefined>("POST", `${ADMIN}/logout`),
  createKey: (fields: KeyFields) => write<CreatedKey>("POST", `${ADMIN}/api-keys`, fields),
  updateKey: (id: string, fields: KeyFields) => write<ApiKey>("PATCH", `${ADMIN}/api-keys/${id}`, fields),
  deleteKey: (id: string) => write<undefined>("DELETE", `${ADMIN}/api-keys/${id}`),
  createTool: (fields: ToolFields) => write<Tool>("POST", `${ADMIN}/tools`, fields),
  updateTool: (id: string, fields: ToolFields) => write<Tool>("PATCH", `${ADMIN}/tools/${id}`, fields),
  deleteTool: (id: string) => write<undefined>("DELETE", `${ADMIN}/tools/${id}`),
};
