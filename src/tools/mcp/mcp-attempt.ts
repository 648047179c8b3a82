import { BusyFailure } from "../limit-calls.ts";
import { deniesEra, failureOf, wasNotReceived, type McpFailure } from "./mcp-failure.ts";
import { forgetEra } from "./mcp-eras.ts";
import { maskOfTarget } from "./mask-target.ts";
import { takeConnection, untilAborted, type Lease } from "./mcp-lease.ts";
import {
  labelTarget,
  locate,
  ReadableFailure,
  type McpPlatform,
  type McpTarget,
  type McpEndpoint,
} from "./mcp-target.ts";
import type { EraVerdict, McpConnection } from "./mcp-connection.ts";

/** One thing to do at an MCP server. */
export interface Attempt<T> {
  target: McpTarget;
  /** Ends the whole attempt; its reason is thrown. */
  signal: AbortSignal;
  onToolsChanged: (() => void) | undefined;
  work(connection: McpConnection): Promise<T>;
}

/** What a first failure means for a second try: none, any, or only one in another era than this. */
type Again = "no" | "yes" | EraVerdict["kind"];

interface Failed {
  error: unknown;
  again: Again;
}

/**
 * Does it over a connection, and a second time where that is certain to do no harm: the server does
 * not know the session any more, nobody listened, or it turned the request away and turns out to
 * speak the protocol of another era by now.
 * @throws Error with a sentence for the model and the operator, or the signal's reason
 */
export async function attemptAtServer<T>(platform: McpPlatform, attempt: Attempt<T>): Promise<T> {
  const { target, signal } = attempt;
  try {
    const first = await once(platform, attempt, "yes");
    if (!("error" in first)) return first.result;
    if (first.again === "no" || signal.aborted) throw first.error;
    const second = await once(platform, attempt, first.again);
    if (!("error" in second)) return second.result;
    // Where the second try was not made, because it would be the same again, the first failure says
    // why.
    throw second.error ?? first.error;
  } catch (error) {
    throw signal.aborted ? signal.reason : explain(error, target);
  }
}

async function once<T>(
  platform: McpPlatform,
  attempt: Attempt<T>,
  again: Again,
): Promise<{ result: T } | Failed> {
  const { target, signal, onToolsChanged, work } = attempt;
  let endpoint: McpEndpoint | null = null;
  let lease: Lease | null = null;
  try {
    endpoint = await untilAborted(locate(platform, target), signal);
    lease = await takeConnection(platform, endpoint, signal);
    const { connection } = lease;
    if (connection.era.kind === again) {
      await lease.end(null);
      return { error: null, again: "no" };
    }
    const unsubscribe =
      onToolsChanged === undefined ? () => {} : connection.onToolsChanged(onToolsChanged);
    const result = await work(connection).finally(unsubscribe);
    await lease.end(null);
    return { result };
  } catch (error) {
    await lease?.end(error);
    if (endpoint !== null && lease !== null && endpoint.address.negotiates && deniesEra(error))
      forgetEra(platform, endpoint.address, lease.connection.era.kind);
    return {
      error,
      again: againAfter(error, {
        isRemote: endpoint?.address.negotiates === true,
        era: lease?.connection.era.kind ?? null,
      }),
    };
  }
}

/** @param at `era`: of the connection, null where none came about */
function againAfter(
  error: unknown,
  { isRemote, era }: { isRemote: boolean; era: EraVerdict["kind"] | null },
): Again {
  // A sidecar that restarts is back at once, and may be at another address.
  if (era === null) return wasNotReceived(error) && !isRemote ? "yes" : "no";
  if (wasNotReceived(error)) return "yes";
  // An answer that cannot be read is one to a call that was made.
  return isRemote && deniesEra(error) && (error as McpFailure).kind !== "unreadable" ? era : "no";
}

/**
 * The failure as a sentence. Whatever a server repeats of the credentials that it was sent is taken
 * out.
 */
function explain(error: unknown, target: McpTarget): Error {
  if (error instanceof ReadableFailure) return error;
  const failure = failureOf(error);
  if (failure.kind === "busy") return new BusyFailure(maskOfTarget(target).text(failure.message));
  const sentence = SENTENCES[failure.kind](
    failure,
    `The MCP server ${labelTarget(target)}`,
    target,
  );
  const mask = maskOfTarget(target);
  const text = mask.text(sentence);
  // A cause may be logged, with the server's own words in it.
  return mask.knowsAny ? new Error(text) : new Error(text, { cause: error });
}

/** How each kind of failure is told; `server` begins the sentence. */
const SENTENCES: Record<
  McpFailure["kind"],
  (failure: McpFailure, server: string, target: McpTarget) => string
> = {
  said: ({ message }) => message,
  busy: ({ message }) => message,
  answer: ({ message }, server) => `${server} answered with an error: ${message}`,
  lost: ({ message }, server) => `${server} did not finish its answer: ${message}.`,
  http: ({ code, message }, server, target) => {
    const text = `${server} answered with HTTP status ${code}${message === "" ? "." : `: ${message}`}`;
    const isDenial = target.kind === "url" && (code === 401 || code === 403);
    return isDenial
      ? `${text.replace(/\.$/, "")}. Check the credentials that the tool has in mcpHeaders.`
      : text;
  },
  unreadable: ({ message }, server) => `${server} answered with what cannot be used: ${message}`,
  refused: ({ message }, server) => `${server} is refused: ${message}`,
  unreachable: ({ message }, server) => `${server} cannot be reached: ${message}`,
};
