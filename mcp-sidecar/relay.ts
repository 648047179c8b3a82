import type { RequestOptions } from "@modelcontextprotocol/sdk/shared/protocol.js";
import type { Notification, Request } from "@modelcontextprotocol/sdk/types.js";
import * as z from "zod";
import type { Log } from "./log.ts";

/** What is answered is passed on as it is: who asked is the one that understands it. */
export const ANY_RESULT = z.looseObject({});

interface Relay {
  /** Who asked, and is told of progress. */
  to: { notification(notification: Notification): Promise<void> };
  log: Log;
}

/**
 * What to ask of the other side for a request of this side. A progress token belongs to one
 * connection: towards the other side the SDK makes one of its own, and what comes back gets the
 * caller's again.
 */
export function relayProgress(
  given: Request["params"],
  { to, log }: Relay,
): { params: Request["params"]; options: Pick<RequestOptions, "onprogress"> } {
  const { _meta: meta = {}, ...rest } = given ?? {};
  const { progressToken, ...others } = meta;
  if (progressToken === undefined) return { params: given, options: {} };
  const params = Object.keys(others).length > 0 ? { ...rest, _meta: others } : rest;
  const onprogress: RequestOptions["onprogress"] = (progress) => {
    to.notification({
      method: "notifications/progress",
      params: { ...progress, progressToken },
    }).catch((error: unknown) =>
      log.debug({ error: String(error) }, "A caller did not hear of progress"),
    );
  };
  return { params, options: { onprogress } };
}

/**
 * The SDK writes `MCP error -32602: ` before a message whenever it passes through a client: once is
 * enough.
 */
export async function withoutPrefixes<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "McpError" || !("code" in error)) throw error;
    const message = error.message.replace(/^(?:MCP error -?\d+: )+/, "");
    throw Object.assign(new Error(message, { cause: error }), {
      code: error.code,
      ...("data" in error && { data: error.data }),
    });
  }
}
