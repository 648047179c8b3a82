import { setTimeout as pause } from "node:timers/promises";
import type { Logger } from "../../platform.ts";
import { type ConnectionOptions, connectPostgres } from "./connect-database.ts";
import { DatabaseStartError, describeError, errorCode } from "./database-start-error.ts";

type PostgresOptions = Extract<ConnectionOptions, { kind: "postgres" }>;

/**
 * Failures that pass by themselves while a server starts: network errors, postgres.js' own, and
 * SQLSTATEs of class 57P and 53.
 */
const PASSING = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOENT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EPIPE",
  "CONNECT_TIMEOUT",
  "CONNECTION_CLOSED",
  "CONNECTION_ENDED",
  "CONNECTION_DESTROYED",
  "57P01",
  "57P02",
  "57P03",
  "53300",
  "08006",
]);

/**
 * What to do about failures that stay. SQLSTATEs:
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const ADVICE: Record<string, string> = {
  "28P01":
    "check the user name and the password in DATABASE_URL (or DATABASE_USER and DATABASE_PASSWORD)",
  "28000":
    "check that pg_hba.conf admits this user from here, and whether DATABASE_URL needs ?sslmode=require",
  "3D000": "create the database, or name an existing one in DATABASE_URL (or DATABASE_NAME)",
};

const OLDEST_VERSION = 150_000;
const RETRY_MS = 500;
const LEAST_ATTEMPT_MS = 1_000;
const MOST_ATTEMPT_MS = 5_000;

/**
 * Waits until PostgreSQL answers, as in a stack whose containers start together.
 * @returns how to connect from now on: without start-up parameters where a pooler refuses them
 * @throws DatabaseStartError when it does not answer in time, refuses us, or is older than
 * PostgreSQL 15
 */
export async function waitForDatabase(
  url: string,
  logger: Logger,
  waitSeconds: number,
): Promise<PostgresOptions> {
  const deadline = performance.now() + waitSeconds * 1000;
  const options: PostgresOptions = { kind: "postgres", url, startupParameters: true };
  let told = false;
  for (;;) {
    try {
      refuseOldVersion(await readVersion(options, deadline), nameServer(url));
      return options;
    } catch (error) {
      if (error instanceof DatabaseStartError) throw error;
      if (options.startupParameters && refusesParameters(error)) {
        options.startupParameters = false;
        logger.info(
          "The database pooler takes no statement_timeout; set it on the server if you want one.",
        );
        continue;
      }
      if (!PASSING.has(errorCode(error) ?? "") || performance.now() > deadline)
        throw unusable(url, error, waitSeconds);
      if (!told)
        logger.warn("PostgreSQL does not answer yet.", {
          server: nameServer(url),
          error: describeError(error),
          waitSeconds,
        });
      told = true;
      await pause(RETRY_MS);
    }
  }
}

/**
 * @param version `server_version_num`, e.g. 150004
 * @throws DatabaseStartError for a server that our migrations do not run on
 * @internal so that a test can ask about servers that no machine has any more
 */
export function refuseOldVersion(version: number, server: string): void {
  if (version >= OLDEST_VERSION) return;
  throw new DatabaseStartError(
    `The server ${server} is PostgreSQL ${Math.floor(version / 10_000)}: PostgreSQL 15 or newer is needed, ` +
      "so upgrade it or point DATABASE_URL at a newer one.",
  );
}

/**
 * Has a deadline of its own: postgres.js tries for ever where connections are accepted and closed,
 * as Docker's port proxy does.
 */
async function readVersion(options: PostgresOptions, deadline: number): Promise<number> {
  const client = connectPostgres(options, { max: 1 });
  const silence = new AbortController();
  const late = async (): Promise<never> => {
    await pause(
      Math.min(Math.max(deadline - performance.now(), LEAST_ATTEMPT_MS), MOST_ATTEMPT_MS),
      undefined,
      { signal: silence.signal },
    );
    throw Object.assign(new Error("connections are accepted and not answered"), {
      code: "CONNECT_TIMEOUT",
    });
  };
  try {
    const answer = client<
      { version: number }[]
    >`select current_setting('server_version_num')::int as version`;
    const [row] = await Promise.race([answer, late()]);
    return row?.version ?? 0;
  } finally {
    silence.abort();
    await client.end({ timeout: 0 });
  }
}

/** PgBouncer's words, SQLSTATE 08P01. */
function refusesParameters(error: unknown): boolean {
  return error instanceof Error && error.message.includes("unsupported startup parameter");
}

function unusable(url: string, error: unknown, waitSeconds: number): DatabaseStartError {
  const code = errorCode(error) ?? "";
  const server = nameServer(url);
  if (PASSING.has(code)) {
    return new DatabaseStartError(
      `PostgreSQL at ${server} did not answer within ${waitSeconds} s (${describeError(error)}): ` +
        "start it, or correct DATABASE_URL (or DATABASE_HOST and DATABASE_PORT).",
      { cause: error },
    );
  }
  const advice = ADVICE[code] ?? "check DATABASE_URL and the server's log";
  return new DatabaseStartError(
    `PostgreSQL at ${server} refused the connection (${describeError(error)}): ${advice}.`,
    { cause: error },
  );
}

/** Host, port and database: what an operator needs to recognise it, without the password. */
function nameServer(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
}
