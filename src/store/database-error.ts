import { DrizzleQueryError } from "drizzle-orm/errors";
import type { PgTransactionConfig } from "drizzle-orm/pg-core";
import { ApiError } from "../openai/api-error.ts";
import { isObject } from "../openai/json.ts";
import type { Database, Transaction } from "./database.ts";

/**
 * Errors of postgres.js and of Node's sockets that mean: nobody answered, or the connection was
 * lost.
 */
const CONNECTION_ERRORS = new Set([
  "CONNECT_TIMEOUT",
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECTION_ENDED",
  "EAI_AGAIN",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOENT",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
]);

/**
 * SQLSTATEs of a server that cannot serve now: connection exceptions (08), insufficient resources
 * (53), a lock that did not come (55P03), a limit of time (57014), shutdown, crash, start-up and
 * idle limits (57P01–57P05).
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const UNAVAILABLE_STATE = /^(?:08...|53...|55P03|57014|57P0[1-5])$/;

/** Those of them that a server sends which is there, and busy or locked. */
const BUSY_STATE = /^(?:53...|55P03|57014)$/;

/**
 * What workerd's sockets say, which have no codes. With the server gone a plain URL gives the first
 * and a Hyperdrive the second (measured 2026-11 with wrangler 4.124); the others are of a
 * connection or a Hyperdrive pool that is lost later.
 */
const SOCKET_MESSAGE =
  /cannot connect to the specified address|connection attempt failed|network connection lost|stream was cancelled|acquire a connection/i;

/** The error, then its cause, and so on. */
export function causesOf(error: unknown): unknown[] {
  const chain: unknown[] = [];
  for (
    let cause = error;
    cause !== undefined && cause !== null && !chain.includes(cause);
    cause = isObject(cause) ? cause["cause"] : undefined
  ) {
    chain.push(cause);
  }
  return chain;
}

const codeOf = (error: unknown) =>
  isObject(error) && typeof error["code"] === "string" ? error["code"] : null;

function isConnectionFailure(error: unknown): boolean {
  // Their messages hold values and texts of users, which may say anything.
  if (error instanceof DrizzleQueryError || error instanceof ApiError) return false;
  const code = codeOf(error);
  if (code !== null) return CONNECTION_ERRORS.has(code) || UNAVAILABLE_STATE.test(code);
  return error instanceof Error && SOCKET_MESSAGE.test(error.message);
}

/** Whether an error, or a cause of it, is that the database cannot be asked now. */
export function isDatabaseUnavailable(error: unknown): boolean {
  const causes = causesOf(error);
  // Only what came out of a query: an MCP server's refused connection is not the database's.
  const query = causes.findIndex((cause) => cause instanceof DrizzleQueryError);
  return query !== -1 && causes.slice(query + 1).some(isConnectionFailure);
}

/** Whether the database is there, and could not serve in time: for a lock, or for too much work. */
export const isDatabaseBusy = (error: unknown): boolean =>
  causesOf(error).some((cause) => BUSY_STATE.test(codeOf(cause) ?? ""));

/** SQLSTATE classes that mean the data is at fault: trying again would not help. */
const DATA_STATE = /^(?:21|22|23|54)/;

/** Whether an error, or a cause of it, is that the database will never take these data. */
export const isDataFault = (error: unknown): boolean =>
  DATA_STATE.test(
    causesOf(error)
      .map(codeOf)
      .find((code) => code !== null) ?? "",
  );

/**
 * Whether our own code failed, over what the data hold as a rule: a date that is none, a text that
 * is too long.
 */
export function isOwnFault(error: unknown): boolean {
  const causes = causesOf(error);
  const isPlain = (cause: unknown) => cause instanceof RangeError || cause instanceof TypeError;
  return causes.every((cause) => codeOf(cause) === null) && causes.some(isPlain);
}

/**
 * Runs a transaction. The driver itself begins and ends it, so that a connection lost there is
 * named as a query's here.
 */
export function inTransaction<Result>(
  database: Database,
  work: (transaction: Transaction) => Promise<Result>,
  rules?: PgTransactionConfig,
): Promise<Result> {
  return database.transaction(work, rules).catch((error: unknown) => {
    throw error instanceof Error && isConnectionFailure(error)
      ? new DrizzleQueryError("transaction", [], error)
      : error;
  });
}

/** Whether a row was refused because a unique column has its value already. */
export function isUniqueViolation(error: unknown): boolean {
  return causesOf(error).some((cause) => codeOf(cause) === "23505");
}
