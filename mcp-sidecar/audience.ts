import type { Client } from "@modelcontextprotocol/sdk/client/index.js";
import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
import {
  LoggingLevelSchema,
  type ClientCapabilities,
  type LoggingLevel,
  type Notification,
  type Request,
  type Result,
  type ServerNotification,
  type ServerRequest,
} from "@modelcontextprotocol/sdk/types.js";
import type { Log } from "./log.ts";
import { ANY_RESULT, relayProgress } from "./relay.ts";

/** What the SDK hands to the handler of a request that a session's client made. */
export type SessionExtra = RequestHandlerExtra<ServerRequest, ServerNotification>;

/** One session of a process, as what the process says by itself reaches it. */
export interface Listener {
  capabilities: ClientCapabilities;
  /**
   * On the stream that belongs to no request; lost where the client has none open, as the protocol
   * has it.
   */
  notify(notification: Notification): Promise<void>;
  /** Null: everything. */
  logLevel: LoggingLevel | null;
  /** URIs of resources. */
  subscriptions: Set<string>;
}

/** A request of a session that the process is working on. */
interface Call {
  listener: Listener;
  extra: SessionExtra;
}

/** What a client has to have declared before it may be asked. */
const NEEDED = new Map<string, "sampling" | "elicitation" | "roots">([
  ["sampling/createMessage", "sampling"],
  ["elicitation/create", "elicitation"],
  ["roots/list", "roots"],
]);

/** A server that has just started answers at once, or holds up whoever waits for it. */
const RESTORE_LIMIT_MS = 5_000;

class RelayError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const severity = (level: unknown) => LoggingLevelSchema.options.indexOf(level as LoggingLevel);

/**
 * The sessions that share one process: who of them hears what it says, and who answers what it
 * asks. A process knows one client only, so that what belongs to no request has to be given to the
 * right one here.
 */
export class Audience {
  readonly #listeners = new Set<Listener>();
  readonly #calls = new Set<Call>();
  readonly #log: Log;
  readonly #askLimitMs: number;

  constructor(log: Log, askLimitMs: number) {
    this.#log = log;
    this.#askLimitMs = askLimitMs;
  }

  add(listener: Listener): void {
    this.#listeners.add(listener);
  }

  remove(listener: Listener): void {
    this.#listeners.delete(listener);
  }

  /** Whether somebody waits for news of a resource, which end with the process. */
  get isSubscribed(): boolean {
    return [...this.#listeners].some(({ subscriptions }) => subscriptions.size > 0);
  }

  /** Runs a request of a session; meanwhile the process can reach its client. */
  async during<T>(call: Call, run: () => Promise<T>): Promise<T> {
    this.#calls.add(call);
    try {
      return await run();
    } finally {
      this.#calls.delete(call);
    }
  }

  /** Whether nobody but this session is subscribed to a resource. */
  isOnlySubscriber(listener: Listener, uri: string): boolean {
    return ![...this.#listeners].some(
      (other) => other !== listener && other.subscriptions.has(uri),
    );
  }

  /** The most talkative level that a session wants, or null where none has said. */
  get logLevel(): LoggingLevel | null {
    const levels = [...this.#listeners].flatMap(({ logLevel }) =>
      logLevel === null ? [] : [logLevel],
    );
    return levels.toSorted((a, b) => severity(a) - severity(b))[0] ?? null;
  }

  /** Tells a process that was started again what its predecessor had been told. */
  async restore(client: Client): Promise<void> {
    const uris = new Set([...this.#listeners].flatMap(({ subscriptions }) => [...subscriptions]));
    const level = this.logLevel;
    const requests: Request[] = [...uris].map((uri) => ({
      method: "resources/subscribe",
      params: { uri },
    }));
    if (level !== null) requests.push({ method: "logging/setLevel", params: { level } });
    for (const request of requests) {
      try {
        await client.request(request, ANY_RESULT, { timeout: RESTORE_LIMIT_MS });
      } catch (error) {
        this.#log.warn(
          { method: request.method, error: String(error) },
          "A restarted MCP server does not take what it took before",
        );
      }
    }
  }

  /** Hands on what the process says by itself. */
  hear(notification: Notification): void {
    const { method, params = {} } = notification;
    if (method === "notifications/message")
      return this.#tell(notification, (listener) => wantsLevel(listener, params["level"]));
    if (method === "notifications/resources/updated")
      return this.#tellAll(notification, (listener) => isAbout(listener, params["uri"]));
    if (/\/list_changed$|^notifications\/elicitation\/complete$/.test(method))
      return this.#tellAll(notification);
    this.#tell(notification);
  }

  /**
   * To whoever has a call in flight, on the stream of that call; to everybody, where nobody has.
   */
  #tell(notification: Notification, isWanted: (listener: Listener) => boolean = () => true): void {
    const calls = new Map([...this.#calls].map((call) => [call.listener, call.extra]));
    if (calls.size === 0) return this.#tellAll(notification, isWanted);
    for (const [listener, extra] of calls) {
      if (isWanted(listener))
        this.#send(extra.sendNotification(notification as ServerNotification), notification);
    }
  }

  #tellAll(
    notification: Notification,
    isWanted: (listener: Listener) => boolean = () => true,
  ): void {
    for (const listener of this.#listeners)
      if (isWanted(listener)) this.#send(listener.notify(notification), notification);
  }

  #send(sending: Promise<void>, { method }: Notification): void {
    sending.catch((error: unknown) =>
      this.#log.debug({ method, error: String(error) }, "A session did not hear of something"),
    );
  }

  /**
   * Asks the client whose call the process is working on, and returns its answer.
   * @throws RelayError where there is no such client, or several that it could be
   */
  async ask(request: Request, client: { signal: AbortSignal; relay: Client }): Promise<Result> {
    const needed = NEEDED.get(request.method);
    if (needed === undefined) throw new RelayError(-32601, `Method not found: ${request.method}`);
    const able = new Map(
      [...this.#calls]
        .filter(({ listener }) => listener.capabilities[needed] !== undefined)
        .map((call) => [call.listener, call.extra]),
    );
    const [extra] = able.values();
    if (extra === undefined)
      throw new RelayError(-32601, `No client that is waiting for this server can do ${needed}.`);
    if (able.size > 1) {
      throw new RelayError(
        -32603,
        `${able.size} clients share this server and are waiting for it, so that it cannot be told which of them ${request.method} is for.`,
      );
    }
    const { params, options } = relayProgress(request.params, { to: client.relay, log: this.#log });
    return extra.sendRequest({ ...request, params } as ServerRequest, ANY_RESULT, {
      ...options,
      signal: AbortSignal.any([extra.signal, client.signal]),
      timeout: this.#askLimitMs,
    });
  }
}

function wantsLevel({ logLevel }: Listener, level: unknown): boolean {
  return logLevel === null || severity(level) === -1 || severity(level) >= severity(logLevel);
}

/** News may be of a part of what was subscribed to. */
function isAbout({ subscriptions }: Listener, uri: unknown): boolean {
  return (
    typeof uri === "string" &&
    [...subscriptions].some((subscribed) => uri === subscribed || uri.startsWith(subscribed))
  );
}
