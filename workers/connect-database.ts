import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import * as schema from "../drizzle/schema.ts";
import type { Memory } from "../src/memory.ts";
import type { Database } from "../src/store/database.ts";
import { givePermitBack, takePermit } from "./connection-permits.ts";
import { openSocket, PostgresSocket, type ServerPlace, type TlsUse } from "./postgres-socket.ts";

/** To open a connection, the wait for the right to it included. In seconds. */
const CONNECT_LIMIT_S = 5;

/** Whose connections these are. */
interface ConnectionOwner {
  /** Connections at a time. */
  max: number;
  /** After so many seconds without a query a connection is closed. */
  idleSeconds: number;
  /** Keeps the owner alive until a connection has been closed. */
  waitUntil(closed: Promise<void>): void;
  /** Of the isolate, which counts the connections of all its requests. */
  memory: Memory;
}

/** https://www.postgresql.org/docs/current/libpq-ssl.html, as far as there is a choice here. */
const TLS_BY_MODE: Record<string, TlsUse> = {
  disable: "never",
  false: "never",
  allow: "preferred",
  prefer: "preferred",
};

function tlsOf(databaseUrl: string): TlsUse {
  const { searchParams } = new URL(databaseUrl);
  const mode = searchParams.get("sslmode") ?? searchParams.get("ssl");
  return mode === null ? "never" : (TLS_BY_MODE[mode] ?? "always");
}

/** Opens a connection as soon as the isolate may have one more. */
function openCounted(place: ServerPlace, { memory, waitUntil }: ConnectionOwner): PostgresSocket {
  const closing = Promise.withResolvers<void>();
  waitUntil(closing.promise);
  const permitting = takePermit(memory, CONNECT_LIMIT_S * 1000);
  const close = (): void => {
    closing.resolve();
    permitting.then(
      (permit) => givePermitBack(memory, permit),
      // None was given, which the socket has told.
      () => {},
    );
  };
  return new PostgresSocket(
    permitting.then(() => openSocket(place)),
    close,
  );
}

/**
 * A database whose connections belong to one request, or to a Durable Object: workerd lets nobody
 * else use them. Each is opened when a query comes and closed soon after the last, so that an
 * answer of minutes holds none.
 */
export function connectDatabase(databaseUrl: string, owner: ConnectionOwner): Database {
  const tls = tlsOf(databaseUrl);
  const options = {
    max: owner.max,
    fetch_types: false,
    connect_timeout: CONNECT_LIMIT_S,
    idle_timeout: owner.idleSeconds,
    onnotice: () => {},
    // Spoken by the socket itself.
    ssl: false,
    socket: ({ host, port }: Omit<ServerPlace, "tls">) => openCounted({ host, port, tls }, owner),
  };
  return drizzle(postgres(databaseUrl, options), { schema });
}
