/**
 * WebSocket mode of the Responses API: each event that asks for a response is a turn of its own.
 * https://developers.openai.com/api/docs/guides/websocket-mode
 */
import { authenticate, type AuthenticatedKey } from "../auth/authenticate.ts";
import { isOwnResponseId } from "../dialects/responses/own-items.ts";
import { ApiError } from "../openai/api-error.ts";
import type { ClientSocket, RequestScope } from "../platform.ts";
import { describeError } from "../store/describe-error.ts";
import { askInside, type Asker, type ServeInside } from "./ask-inside.ts";
import { readClientEvent, type ClientEvent, type CreateEvent } from "./client-event.ts";
import { goingOn, KnownResponses, leftBy } from "./known-responses.ts";
import { Lanes } from "./lanes.ts";
import { relayAnswer, type EndedResponse } from "./relay-answer.ts";
import { ownErrorEvent, steerFailedEvent } from "./server-event.ts";
import { warmUp } from "./warm-up.ts";

/** As OpenAI has it. In milliseconds. */
const MAX_AGE_MS = 3_600_000;

/** RFC 6455, 7.4.1. */
const CLOSE = { goingAway: 1001, unsupported: 1003, policy: 1008 };

/** What a close frame can say, in characters of ASCII. */
const MAX_REASON = 123;

/** Whose connection it is. */
export interface SocketParts {
  scope: RequestScope;
  serveInside: ServeInside;
  /** Of the route. */
  url: string;
  /** Those of the handshake, with the client's key. */
  headers: Headers;
}

/** Why a connection takes no more events. */
interface Ending {
  error: ApiError;
  code: number;
  /** Whether a client that waits for nothing is told so, before the connection closes. */
  isTold: boolean;
}

const tooOld = (): Ending => ({
  error: new ApiError(
    "websocket_connection_limit",
    "This connection is 60 minutes old, which is the most. Open another one to go on.",
  ),
  code: CLOSE.goingAway,
  // As OpenAI does.
  isTold: true,
});

const draining = (): Ending => ({
  error: new ApiError("shutting_down", "This server is ending. Open another connection to go on."),
  code: CLOSE.goingAway,
  isTold: false,
});

const notText = (): Ending => ({
  error: new ApiError("bad_request", "Send events as text."),
  code: CLOSE.unsupported,
  isTold: false,
});

/** One client's connection. */
class Connection {
  readonly #parts: SocketParts;
  readonly #socket: ClientSocket;
  readonly #asker: Asker;
  readonly #lanes: Lanes;
  readonly #known: KnownResponses;
  #ending: Ending | null = null;

  constructor(socket: ClientSocket, parts: SocketParts) {
    const { maxBodyBytes } = parts.scope.platform.config;
    this.#parts = parts;
    this.#socket = socket;
    this.#asker = { ...parts, gone: socket.gone };
    this.#lanes = new Lanes(maxBodyBytes);
    this.#known = new KnownResponses(parts.scope.platform.memory);
  }

  /** Serves one message. Resolves when the next one may be read. */
  async take(message: string | Uint8Array): Promise<void> {
    if (typeof message !== "string") return this.end(notText());
    const event = await readClientEvent(message).catch((error: unknown) => this.#told(error));
    const refusal = event instanceof ApiError ? ownErrorEvent(event, null) : this.#serve(event);
    if (refusal !== null) await this.#socket.send(refusal);
  }

  /** Begins with an event, or gives what its client is answered at once. */
  #serve(event: ClientEvent): string | null {
    if (event.type === "steer") return steerFailedEvent(event);
    try {
      this.#add(event);
      return null;
    } catch (error) {
      return ownErrorEvent(this.#told(error), event.streamId);
    }
  }

  /** Resolves when all that runs has ended; nothing of it is known any more. */
  async ended(): Promise<void> {
    await this.#lanes.settled();
    this.#known.forget();
  }

  /** Takes no more events, and closes when what runs has ended. */
  end(ending: Ending): void {
    this.#ending ??= ending;
    this.#closeWhenIdle();
  }

  #closeWhenIdle(): void {
    if (this.#ending === null || !this.#lanes.isIdle) return;
    const { error, code, isTold } = this.#ending;
    if (isTold) void this.#socket.send(ownErrorEvent(error, null));
    this.#socket.close(code, error.message.slice(0, MAX_REASON));
  }

  #add(event: CreateEvent): void {
    const { streamId, text } = event;
    if (this.#ending !== null) throw this.#ending.error;
    const run = () => this.#answer(event).catch((error: unknown) => this.#failed(event, error));
    const ran = this.#lanes.add(streamId, { length: text.length, run });
    void ran.then(() => this.#closeWhenIdle());
  }

  /** What went wrong, as its client is told: what nobody foresaw is logged, and is our fault. */
  #told(error: unknown): ApiError {
    if (error instanceof ApiError) return error;
    const { platform, requestId } = this.#parts.scope;
    const fields = { request: requestId, error: describeError(error) };
    platform.logger.error("An event failed for a reason that nobody foresaw", fields);
    return new ApiError("internal", "The proxy failed to handle this event. Its log says why.", {
      cause: error,
    });
  }

  async #failed({ streamId }: CreateEvent, error: unknown): Promise<void> {
    const told = this.#told(error);
    await this.#socket.send(ownErrorEvent(told, streamId));
    // The key works no more.
    if (told.status === 401) this.end({ error: told, code: CLOSE.policy, isTold: false });
  }

  async #answer(event: CreateEvent): Promise<void> {
    if (this.#socket.gone.aborted) return;
    if (this.#ending !== null) throw this.#ending.error;
    const { scope, headers } = this.#parts;
    // The turn does it again; here it ends the connection of a key that works no more.
    const key = await authenticate(scope, headers);
    const { streamId, previousId, text, isStored, generates } = event;
    const before = this.#known.find(previousId);
    const asked = before === null ? text : goingOn(event, before);
    const response = generates
      ? await this.#relay(event, asked, before === null ? null : previousId)
      : await this.#warmUp(event);
    if (response === null) return;
    const isKept = generates && isStored && isKeptFor(key, response);
    this.#known.note(streamId, isKept ? null : leftBy(response, asked));
  }

  async #relay(
    { streamId }: CreateEvent,
    asked: string,
    previousId: string | null,
  ): Promise<EndedResponse | null> {
    const { gone } = this.#socket;
    const { maxBodyBytes: maxBytes } = this.#parts.scope.platform.config;
    const send = (message: string) => this.#socket.send(message);
    const answer = await askInside(this.#asker, asked);
    return relayAnswer(answer, { streamId, previousId, maxBytes, gone, send });
  }

  async #warmUp(event: CreateEvent): Promise<EndedResponse> {
    const { id, messages } = warmUp(event);
    for (const message of messages) await this.#socket.send(message);
    return { id, output: "[]" };
  }
}

/** Whether somebody keeps a stored response: upstream its own, the proxy those of most keys. */
const isKeptFor = ({ logContent }: AuthenticatedKey, { id }: EndedResponse): boolean =>
  !isOwnResponseId(id) || logContent !== "metadata";

/**
 * Serves a connection until it has ended.
 * @param maxAgeMs after which it takes no more events, in milliseconds
 */
export async function serveSocket(
  socket: ClientSocket,
  parts: SocketParts,
  maxAgeMs: number = MAX_AGE_MS,
): Promise<void> {
  const connection = new Connection(socket, parts);
  const { ending } = parts.scope;
  const drain = () => connection.end(draining());
  ending.addEventListener("abort", drain, { once: true });
  const timer = setTimeout(() => connection.end(tooOld()), maxAgeMs);
  if (ending.aborted) drain();
  for (;;) {
    const message = await socket.receive();
    if (message === null) break;
    await connection.take(message);
  }
  await connection.ended();
  clearTimeout(timer);
  ending.removeEventListener("abort", drain);
}
