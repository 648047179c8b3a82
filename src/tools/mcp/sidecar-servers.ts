import * as z from "zod";
import { isObject, parseJson } from "../../openai/json.ts";
import type { Platform, SidecarEndpoint } from "../../platform.ts";
import { identifyServer, type ServerDefinition } from "./server-command.ts";

/** A server as the sidecar describes it. */
const serverShape = z.object({
  id: z.string(),
  /** Of the same definition without its owner. */
  sharedId: z.string(),
  command: z.string(),
  owner: z.string(),
  state: z.enum(["stopped", "starting", "running", "failed"]),
  pid: z.number().nullable(),
  startedAt: z.string().nullable(),
  lastError: z.string().nullable(),
  retryAt: z.string().nullable(),
  restarts: z.number(),
  calls: z.number(),
  callsInFlight: z.number(),
  queued: z.number(),
  stderr: z.string(),
});

/** What the sidecar knows of one MCP server; `command` is without arguments. */
export type SidecarServer = z.infer<typeof serverShape>;

const ASK_LIMIT_MS = 5000;
/** A server that starts may have to be downloaded first. */
const RESTART_LIMIT_MS = 75_000;

type SidecarPlatform = Pick<Platform, "fetch" | "sidecar">;

interface SidecarRequest {
  method: "GET" | "PUT" | "POST";
  path: string;
  body?: unknown;
  limitMs: number;
}

function sentenceIn(answer: unknown, status: number): string {
  const error = isObject(answer) ? answer["error"] : undefined;
  return isObject(error) && typeof error["message"] === "string"
    ? error["message"]
    : `The MCP sidecar answered with status ${status}.`;
}

/** @throws Error with a sentence where the sidecar cannot be reached or refuses */
async function ask(
  platform: SidecarPlatform,
  sidecar: SidecarEndpoint,
  request: SidecarRequest,
): Promise<unknown> {
  const { method, path, body, limitMs } = request;
  const response = await platform
    .fetch(`${sidecar.url.replace(/\/+$/, "")}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${sidecar.token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(limitMs),
    })
    .catch((error: unknown) => {
      throw new Error("The MCP sidecar cannot be reached, or did not answer in time.", {
        cause: error,
      });
    });
  const answer = parseJson(await response.text());
  if (!response.ok) throw new Error(sentenceIn(answer, response.status));
  return answer;
}

/**
 * The servers that the sidecar knows; none where there is no sidecar.
 * @throws Error with a sentence for the operator
 */
export async function listSidecarServers(platform: SidecarPlatform): Promise<SidecarServer[]> {
  const sidecar = await platform.sidecar();
  if (sidecar === null) return [];
  const answer = await ask(platform, sidecar, {
    method: "GET",
    path: "/servers",
    limitMs: ASK_LIMIT_MS,
  });
  return z.object({ servers: z.array(serverShape) }).parse(answer).servers;
}

/**
 * Ends a server's process, where there is one, and starts it anew.
 * @param server one that the sidecar knows, by its id, or any by its definition
 * @throws Error with a sentence for the operator, where it does not start
 */
export async function restartSidecarServer(
  platform: SidecarPlatform,
  server: string | ServerDefinition,
): Promise<void> {
  const sidecar = await platform.sidecar();
  if (sidecar === null)
    throw new Error("There is no MCP sidecar: set MCP_SIDECAR_URL and MCP_SIDECAR_TOKEN.");
  const path = `/servers/${typeof server === "string" ? server : await identifyServer(server)}`;
  if (typeof server !== "string")
    await ask(platform, sidecar, { method: "PUT", path, body: server, limitMs: ASK_LIMIT_MS });
  await ask(platform, sidecar, {
    method: "POST",
    path: `${path}/restart`,
    limitMs: RESTART_LIMIT_MS,
  });
}
