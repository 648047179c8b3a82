import type { Readable } from "node:stream";
import { Agent, errors, type Dispatcher } from "undici";
import type { Config } from "../config/read-config.ts";
import {
  UpstreamFailure,
  type SendUpstream,
  type UpstreamRequest,
  type UpstreamResponse,
} from "../platform.ts";
import { createConnector, wasStale } from "./connect-upstream.ts";

const CONNECT_LIMIT_MS = 10_000;
const MAX_UNREAD_BYTES = 64 * 1024;

function failureOf(error: unknown): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error;
  const timedOut =
    error instanceof errors.ConnectTimeoutError ||
    error instanceof errors.HeadersTimeoutError ||
    error instanceof errors.BodyTimeoutError;
  const message = error instanceof Error ? error.message || error.name : String(error);
  return new UpstreamFailure(timedOut ? "timeout" : "unreachable", message, { cause: error });
}

function plainHeaders(
  headers: Record<string, string | string[] | undefined>,
): Record<string, string> {
  // Upstream chooses the names: `__proto__` is a header like others.
  const plain = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(headers)) {
    if (name === "set-cookie" || value === undefined) continue;
    plain[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return plain;
}

function joined(chunks: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Buffer.concat(chunks);
}

/** How long upstream may say nothing. */
type SilenceLimits = Pick<Config, "upstreamFirstByteTimeoutMs" | "upstreamIdleTimeoutMs">;

interface Settle {
  resolve(response: UpstreamResponse): void;
  reject(error: UpstreamFailure): void;
}

/**
 * One exchange. A body that is there with its headers, in the same turn of the event loop, is given
 * as bytes: most JSON answers are, and a stream costs twice the CPU time. Whatever comes later is
 * given as a stream, as it comes.
 */
function exchangeHandler(
  request: UpstreamRequest,
  { resolve, reject }: Settle,
): Dispatcher.DispatchHandler {
  let head: Omit<UpstreamResponse, "body"> | null = null;
  let early: Uint8Array[] = [];
  let stream: ReadableStreamDefaultController<Uint8Array> | null = null;
  let exchange: Dispatcher.DispatchController | null = null;
  let ended = false;
  const abort = () => exchange?.abort(new UpstreamFailure("aborted", "The client has gone away"));
  const end = () => {
    ended = true;
    request.signal.removeEventListener("abort", abort);
  };

  const openStream = () => {
    if (ended || head === null) return;
    const body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          stream = controller;
          for (const chunk of early) controller.enqueue(chunk);
          early = [];
        },
        pull: () => exchange?.resume(),
        cancel: abort,
      },
      { highWaterMark: MAX_UNREAD_BYTES, size: (chunk) => chunk.byteLength },
    );
    resolve({ ...head, body });
  };

  return {
    onRequestStart: (controller) => {
      exchange = controller;
      if (request.signal.aborted) abort();
      else request.signal.addEventListener("abort", abort, { once: true });
    },
    onResponseStart: (_controller, status, headers) => {
      // Informational answers (103 Early Hints) come before the real one.
      if (status < 200) return;
      head = { status, headers: plainHeaders(headers) };
      setImmediate(openStream);
    },
    onResponseData: (controller, chunk) => {
      // After a pause in the middle of a chunk undici hands out an empty one; enqueued, it would be
      // pulled for ever.
      if (chunk.byteLength === 0) return;
      if (stream === null) return void early.push(chunk);
      stream.enqueue(chunk);
      if ((stream.desiredSize ?? 0) <= 0) controller.pause();
    },
    onResponseEnd: () => {
      end();
      if (stream !== null) stream.close();
      else if (head !== null) resolve({ ...head, body: joined(early) });
    },
    onResponseError: (_controller, error) => {
      end();
      const failure = failureOf(error);
      if (stream !== null) stream.error(failure);
      else reject(failure);
    },
  };
}

/** Whether a failed request may be sent again: upstream heard nothing of it, and all is at hand. */
function maySendAgain({ body, signal }: UpstreamRequest, failure: UpstreamFailure): boolean {
  if (signal.aborted || body instanceof ReadableStream) return false;
  // A connection that is given up because nothing comes had not been closed.
  if (failure.reason === "timeout") return false;
  return failure.cause instanceof Error && wasStale(failure.cause);
}

/**
 * The Node transport: undici's dispatch, without the layers of `fetch`, which cost three times as
 * much (measured 2026-11).
 */
export function createSendUpstream(limits: SilenceLimits): {
  send: SendUpstream;
  close(): Promise<void>;
} {
  const options = {
    connect: createConnector(CONNECT_LIMIT_MS),
    headersTimeout: limits.upstreamFirstByteTimeoutMs,
    bodyTimeout: limits.upstreamIdleTimeoutMs,
  };
  const agent = new Agent(options);
  /** Has a new connection for each request. */
  const afresh = new Agent({ ...options, pipelining: 0 });
  const exchange = (request: UpstreamRequest, through: Agent): Promise<UpstreamResponse> =>
    new Promise((resolve, reject) => {
      const { origin } = new URL(request.url);
      const path = request.url.slice(request.url.indexOf("/", request.url.indexOf("://") + 3));
      through.dispatch(
        {
          origin,
          path,
          method: request.method,
          headers: request.headers, // Any async iterable will do, which the types do not say.
          body: request.body as unknown as Readable | null,
        },
        exchangeHandler(request, { resolve, reject }),
      );
    });
  const send: SendUpstream = (request) =>
    exchange(request, agent).catch((failure: UpstreamFailure) => {
      if (!maySendAgain(request, failure)) throw failure;
      return exchange(request, afresh);
    });
  return {
    send,
    close: async () => {
      await Promise.all([agent.destroy(), afresh.destroy()]);
    },
  };
}
