/** The proxy under test, as its users see it: over HTTP. */
import OpenAI from "openai";
import { expect, inject } from "vitest";
import type { Target } from "../contract-targets.ts";
import type { InProcessProxy } from "./in-process.ts";
import { ADMIN_PASSWORD } from "./settings.ts";

interface AdminInit {
  /** Leaves. */
  signal?: AbortSignal;
  method?: string;
  json?: unknown;
  headers?: Record<string, string>;
}

/** A conversation as `GET /api/admin/conversations/:id` gives it: the parts that tests read. */
export interface ConversationDetail {
  id: string;
  status: string;
  title: string;
  model: string;
  totalTokens: number | null;
  toolExecutionCount: number;
  messages: {
    role: string;
    content: unknown;
    toolCalls: unknown;
    toolCallId: string | null;
    hidden: boolean;
    round: number | null;
  }[];
  toolExecutions: {
    toolName: string;
    type: string;
    arguments: unknown;
    result: unknown;
    error: string | null;
    round: number;
    durationMs: number;
  }[];
  rounds: {
    round: number;
    status: string;
    totalTokens: number | null;
    durationMs: number;
    timeToFirstTokenMs: number | null;
    error: string | null;
    notes: string[];
  }[];
}

/** The proxy of this process, where `start-in-process.ts` has started one. */
export const here: { inProcess?: InProcessProxy } = {};

let token: Promise<string> | null = null;

async function signIn(): Promise<string> {
  const answer = await fetch(`${proxy.url}/api/admin/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ password: ADMIN_PASSWORD }),
  });
  expect(answer.status).toBe(200);
  return ((await answer.json()) as { token: string }).token;
}

async function created<T>(answer: Response): Promise<T> {
  const body = await answer.text();
  expect(answer.status, body).toBe(201);
  return JSON.parse(body) as T;
}

export const proxy = {
  get url(): string {
    return here.inProcess?.url ?? inject("proxyUrl");
  },
  get target(): Target {
    return here.inProcess === undefined ? inject("target") : "in-process";
  },

  /** An admin call: with a session, and a JSON body where `json` is given. */
  admin: async (
    path: string,
    { method, json, headers, signal }: AdminInit = {},
  ): Promise<Response> =>
    fetch(`${proxy.url}/api/admin${path.replace(/^\/api\/admin/, "")}`, {
      method: method ?? (json === undefined ? "GET" : "POST"),
      headers: {
        authorization: `Bearer ${await (token ??= signIn())}`,
        ...(json === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      ...(signal === undefined ? {} : { signal }),
    }),

  createKey: async (fields: Record<string, unknown> = {}): Promise<{ id: string; key: string }> =>
    created(await proxy.admin("/api-keys", { json: { name: "a key for tests", ...fields } })),

  /** A tool whose name no other test has: `name` is its start. */
  createTool: async (
    fields: Record<string, unknown> & { name: string },
  ): Promise<{ id: string; name: string }> =>
    created(
      await proxy.admin("/tools", {
        json: {
          description: "a tool for tests",
          ...fields,
          name: `${fields.name}_${crypto.randomUUID().slice(0, 8)}`,
        },
      }),
    ),

  /**
   * The official client with a proxy key. It never tries twice, so that a test sees each failure.
   */
  client: (key: string): OpenAI =>
    new OpenAI({ apiKey: key, baseURL: `${proxy.url}/v1`, maxRetries: 0 }),

  /** A conversation, as soon as it is written. */
  conversation: async (id: string): Promise<ConversationDetail> => {
    for (let attempt = 0; attempt < 100; attempt++) {
      const answer = await proxy.admin(`/conversations/${id}`);
      if (answer.status === 200) return (await answer.json()) as ConversationDetail;
      await answer.body?.cancel();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`The conversation ${id} was not written within 10 s`);
  },
};
