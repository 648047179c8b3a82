import { Hono } from "hono";
import { memorySlot } from "../memory.ts";
import type { Platform, RequestScope } from "../platform.ts";
import { isWanted } from "../store/conversation-filter.ts";
import type { ConversationRow } from "../store/conversation-row.ts";
import { describeError } from "../store/describe-error.ts";
import {
  changedConversations,
  createLiveConversations,
  type LiveConversations,
} from "../store/live-conversations.ts";
import { readTime } from "../store/storable-time.ts";
import { isOperator } from "./admin-session.ts";
import { describeRoute } from "./describe-route.ts";
import { queryOf } from "./admin-input.ts";
import { liveQuery } from "./conversation-query.ts";

const HEARTBEAT_MS = 15_000;
/** How often it is asked whether the listener's session is still one. */
const SESSION_CHECK_MS = 5000;
/** How soon a browser comes back when the stream ends. */
const RETRY_MS = 2000;
/**
 * A listener that is so many events behind is sent away; it comes back with the id of the last one
 * that it had.
 */
const MAX_UNREAD_EVENTS = 2000;

const liveFeed = memorySlot((create: () => LiveConversations) => create());

/**
 * One feed for all listeners of a process; on workerd one for each, because a connection belongs to
 * its request.
 */
function feedOf(platform: Platform): LiveConversations {
  const create = () =>
    createLiveConversations(platform.database, (error) =>
      platform.logger.warn("The live list of conversations waits for the database", {
        error: describeError(error),
      }),
    );
  return platform.connections === null ? create() : liveFeed.of(platform.connections, create);
}

const eventOf = (row: ConversationRow) =>
  `event: conversation\nid: ${row.updatedAt.toISOString()}\ndata: ${JSON.stringify(row)}\n\n`;

/** From where a listener goes on: what it says itself, or what its browser says. */
function resumeFrom(since: Date | undefined, lastEventId: string | undefined): Date | null {
  return readTime(lastEventId ?? "") ?? since ?? null;
}

interface Listening {
  platform: Platform;
  /** Whether the listener is still the operator. */
  isAllowed(): Promise<boolean>;
  since: Date | null;
  isWanted(row: ConversationRow): boolean;
  /** Fires when the client has gone, or the server wants to. */
  over: AbortSignal;
}

/** Events of new and changed conversations, until the client goes. */
async function openStream({
  platform,
  isAllowed,
  since,
  isWanted: wanted,
  over,
}: Listening): Promise<ReadableStream<Uint8Array>> {
  const encoder = new TextEncoder();
  const { readable, controller } = openReadable(() => end());
  const timers: ReturnType<typeof setInterval>[] = [];
  let stopListening = () => {};
  let isOpen = true;
  const end = () => {
    if (!isOpen) return;
    isOpen = false;
    stopListening();
    for (const timer of timers) clearInterval(timer);
  };
  const close = () => {
    if (isOpen) controller.close();
    end();
  };
  const send = (text: string) => {
    if (!isOpen) return;
    if ((controller.desiredSize ?? 0) < -MAX_UNREAD_EVENTS) return close();
    controller.enqueue(encoder.encode(text));
  };
  const tell = (rows: ConversationRow[]) => {
    for (const row of rows) if (wanted(row)) send(eventOf(row));
  };
  send(`retry: ${RETRY_MS}\n: listening\n\n`);
  stopListening = await feedOf(platform).listen(tell);
  over.addEventListener("abort", close);
  if (over.aborted) close();
  if (!isOpen) stopListening();
  else {
    const check = async () => {
      const isTheirs = await isAllowed().catch((error: unknown) => {
        platform.logger.error("A listener's session cannot be looked up", {
          error: describeError(error),
        });
        return false;
      });
      if (!isTheirs) close();
    };
    timers.push(setInterval(() => send(": still here\n\n"), HEARTBEAT_MS));
    timers.push(setInterval(() => void check(), SESSION_CHECK_MS));
    // After listening has begun, so that nothing falls between; what comes twice is the same row.
    if (since !== null)
      tell(
        await changedConversations(platform.database, since).catch((error: unknown) => {
          close();
          throw error;
        }),
      );
  }
  return readable;
}

/** A stream with its controller, which exists as soon as the stream does. */
function openReadable(onCancel: () => void) {
  const parts: { controller?: ReadableStreamDefaultController<Uint8Array> } = {};
  const readable = new ReadableStream<Uint8Array>({
    start: (made) => void (parts.controller = made),
    cancel: onCancel,
  });
  if (parts.controller === undefined) throw new Error("A stream is started when it is made");
  return { readable, controller: parts.controller };
}

/**
 * `GET /live?…` → server-sent events: `conversation` with a row of the list, whenever one is new or
 * has changed.
 */
export function adminLive(): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();

  app.get(
    "/live",
    describeRoute({
      tag: "Conversations",
      summary: "Events `conversation`, each with a row of the list that is new or has changed",
      answer: "Conversation",
      contentType: "text/event-stream",
    }),
    queryOf(liveQuery),
    async (context) => {
      const { platform, clientGone, ending } = context.env;
      const { since, ...filter } = context.req.valid("query");
      const stream = await openStream({
        platform,
        isAllowed: () => isOperator(context),
        over: AbortSignal.any([clientGone, ending]),
        since: resumeFrom(since, context.req.header("last-event-id")),
        isWanted: (row) => isWanted(row, filter),
      });
      // Buffering proxies (nginx) would hold the events back.
      return context.body(stream, 200, {
        "content-type": "text/event-stream; charset=utf-8",
        "x-accel-buffering": "no",
      });
    },
  );

  return app;
}
