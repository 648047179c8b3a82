/** A client of WebSocket mode that sees each message as it comes. */
import { onTestFinished } from "vitest";
import { WebSocket, type ClientOptions } from "ws";
import { MODEL } from "./chat-turn.ts";
import { proxy } from "./proxy.ts";
import { readResponseEvents, type SeenResponse } from "./response-turn.ts";

type Json = Record<string, unknown>;

/** How a connection ended. */
interface Closed {
  code: number;
  reason: string;
}

/** A connection that is open. */
export interface SocketClient {
  ws: WebSocket;
  /** Headers of the handshake's answer. */
  headers: Record<string, string | string[] | undefined>;
  send(event: unknown): void;
  /** Asks for a response. */
  create(body: Json): void;
  /** The next message. */
  next(): Promise<Json>;
  /** The messages up to the end of a response, or up to an error. */
  answer(): Promise<Json[]>;
  closed: Promise<Closed>;
}

/** What ends an answer. */
const ENDS = new Set(["response.completed", "response.incomplete", "response.failed", "error"]);

/** How a connection is opened. */
export interface Opening extends ClientOptions {
  url?: string;
  protocols?: string[];
}

/** Opens a connection, or rejects with the answer of who refused it. */
export async function openSocket(key: string | null, more: Opening = {}): Promise<SocketClient> {
  const { url = proxy.url, protocols = [], ...options } = more;
  const authorization = key === null ? {} : { authorization: `Bearer ${key}` };
  const ws = new WebSocket(`${url.replace("http", "ws")}/v1/responses`, protocols, {
    ...options,
    headers: { ...authorization, ...options.headers },
  });
  onTestFinished(() => ws.terminate());
  const inbox: Json[] = [];
  const waiting: ((message: Json) => void)[] = [];
  ws.on("message", (data: Buffer) => {
    const message = JSON.parse(data.toString()) as Json;
    const taker = waiting.shift();
    if (taker === undefined) inbox.push(message);
    else taker(message);
  });
  const closed = new Promise<Closed>((resolve) => {
    ws.once("close", (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  let headers: SocketClient["headers"] = {};
  ws.once("upgrade", (answer) => {
    headers = answer.headers;
  });
  await new Promise<void>((resolve, reject) => {
    ws.once("open", () => resolve());
    ws.once("error", reject);
  });
  ws.on("error", () => undefined);
  const next = async (): Promise<Json> => {
    const message = inbox.shift();
    if (message !== undefined) return message;
    return new Promise((resolve) => {
      waiting.push(resolve);
    });
  };
  const send = (event: unknown) => ws.send(JSON.stringify(event));
  return {
    ws,
    headers,
    send,
    create: (body) => send({ type: "response.create", model: MODEL, ...body }),
    next,
    answer: async () => {
      const events: Json[] = [];
      for (;;) {
        const event = await next();
        events.push(event);
        if (ENDS.has(String(event["type"]))) return events;
      }
    },
    closed,
  };
}

/** Asks for a response, checks each of its events, and gives it. */
export async function askSocket(client: SocketClient, body: Json): Promise<SeenResponse> {
  client.create(body);
  return readResponseEvents(await client.answer());
}
