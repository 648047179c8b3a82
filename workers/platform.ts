import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import * as schema from "../drizzle/schema.ts";
import { systemClock } from "../src/clock.ts";
import type { Config } from "../src/config/read-config.ts";
import { readAnyTurn, readFigures } from "../src/limits/read-figures.ts";
import { noteTurnsWritten } from "../src/limits/memory-limits.ts";
import { Memory } from "../src/memory.ts";
import type { Logger, PartHealth, Platform } from "../src/platform.ts";
import type { TurnRecord } from "../src/record/turn-record.ts";
import type { Database } from "../src/store/database.ts";
import { AddressRefused, checkServerUrl } from "../src/tools/addresses/address-policy.ts";
import { isDataFault } from "../src/store/database-error.ts";
import { writeTurns } from "../src/store/write-turns.ts";
import { createTurnstile } from "./turnstile.ts";
import { startHash } from "./hash.ts";
import { createFunctionSandbox } from "./function-sandbox.ts";
import { openDecoder } from "./open-decoder.ts";
import { sendUpstream } from "./send-upstream.ts";
import { describeError } from "../src/store/describe-error.ts";

const LEVELS = ["error", "warn", "info", "debug"] as const;
/** workerd learns of a client that has left when it writes to it. */
const NOTICE_LEFT_MS = 500;
const WRITE_RETRY_MS = [200, 1000, 3000, 8000];

/**
 * What the isolate keeps between requests. Nothing in it may hold a connection: that would belong
 * to one request.
 */
const memory = new Memory();
const sandbox = createFunctionSandbox();

function createLogger(level: Config["logLevel"]): Logger {
  const shown = LEVELS.indexOf(level as (typeof LEVELS)[number]);
  const write =
    (name: (typeof LEVELS)[number]) => (message: string, fields?: Record<string, unknown>) => {
      if (LEVELS.indexOf(name) <= shown)
        console[name](JSON.stringify({ level: name, msg: message, ...fields }));
    };
  return { error: write("error"), warn: write("warn"), info: write("info"), debug: write("debug") };
}

/**
 * A connection belongs to the request that opened it, and is never ended by us: the runtime does it
 * (facts of 2026-11).
 */
function connect(databaseUrl: string): Database {
  return drizzle(
    postgres(databaseUrl, { max: 3, fetch_types: false, connect_timeout: 5, onnotice: () => {} }),
    { schema },
  );
}

/** Tries for a while. Never throws: what is not written by then stays counted in this isolate. */
async function writeRecord(
  { config, database, logger }: Pick<Platform, "config" | "database" | "logger">,
  record: TurnRecord,
): Promise<void> {
  try {
    const { fault, ...read } = await readAnyTurn(record, config.prices);
    if (fault !== null) logger.error("A record has no content", { turn: record.id, error: fault });
    let turn = read;
    for (const wait of [...WRITE_RETRY_MS, null]) {
      try {
        await writeTurns(database, [turn]);
        return noteTurnsWritten(memory, [record.id]);
      } catch (error) {
        logger.error("A record could not be written", {
          turn: record.id,
          error: describeError(error),
          again: wait !== null,
        });
        if (isDataFault(error))
          turn = await readFigures(record, "The database refused its content.", config.prices);
        else if (wait !== null) await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
  } catch (error) {
    logger.error("A record could not be kept", { turn: record.id, error: describeError(error) });
  }
}

async function sidecarHealth(config: Config): Promise<PartHealth> {
  if (config.sidecarUrl === null) {
    return {
      status: "unconfigured",
      message: "MCP_SIDECAR_URL is not set: tools that are started by npx or uvx do not work.",
    };
  }
  try {
    const answer = await fetch(`${config.sidecarUrl}/health`, {
      headers: { authorization: `Bearer ${config.sidecarToken}` },
      signal: AbortSignal.timeout(2000),
    });
    return answer.ok
      ? { status: "ok" }
      : { status: "degraded", message: `The sidecar answers with status ${answer.status}.` };
  } catch (error) {
    return { status: "degraded", message: `The sidecar cannot be reached: ${String(error)}` };
  }
}

/** What one request needs of workerd. */
export function createWorkerPlatform(
  config: Config & { databaseUrl: string },
  context: ExecutionContext,
): Platform {
  let database: Database | null = null;
  const logger = createLogger(config.logLevel);
  const platform: Platform = {
    config,
    runtime: { name: "workerd", version: null },
    logger,
    clock: systemClock,
    get database() {
      return (database ??= connect(config.databaseUrl));
    },
    send: sendUpstream,
    openDecoder,
    fetch: (input, init) => fetch(input, init),
    fetchGuarded: async (url, init) => {
      // Cloudflare tells nobody what a name leads to, and lets Workers reach the public internet
      // only.
      const refusal = checkServerUrl(config, url, { resolves: false });
      if (refusal !== null) throw new AddressRefused(refusal);
      return fetch(url, init);
    },
    sandbox,
    sha256: startHash,
    heavy: null,
    sidecar: async () =>
      config.sidecarUrl === null
        ? null
        : { url: config.sidecarUrl, token: config.sidecarToken ?? "" },
    once: (_key, work) => work(),
    turnstile: createTurnstile,
    connections: null,
    noticesLeavingMs: NOTICE_LEFT_MS,
    maxUnreadBytes: Infinity,
    keepRecord: (record) => context.waitUntil(writeRecord(platform, record)),
    partHealth: async () => ({ sidecar: await sidecarHealth(config), sandbox: { status: "ok" } }),
    memory,
  };
  return platform;
}
