import { fetch as undiciFetch, Agent } from "undici";
import { systemClock } from "../clock.ts";
import type { Config } from "../config/read-config.ts";
import { Memory } from "../memory.ts";
import type { Logger, Platform } from "../platform.ts";
import { createOnce, createTurnstile } from "./wait-for-one-another.ts";
import { startHash } from "./hash.ts";
import { createFunctionSandbox } from "./function-sandbox.ts";
import { createGuardedFetch } from "./guarded-fetch.ts";
import { openDatabase } from "./database/open-database.ts";
import { createHeavyWork } from "./heavy-work.ts";
import { openRecordKeeper } from "./keep-records.ts";
import { startHousekeeping } from "./housekeeping.ts";
import { openDecoder } from "./open-decoder.ts";
import { createSendUpstream } from "./send-upstream.ts";
import { startSidecar } from "./sidecar-process.ts";

/** What one process has, and how it is given up in order. */
export interface NodePlatform {
  platform: Platform;
  close(): Promise<void>;
}

/**
 * How long the last records may take to reach the database at the end; what does not stays in the
 * spool.
 */
const LAST_RECORDS_MS = 5000;
const MAX_UNREAD_BYTES = 64 * 1024;
/** Threads that are kept ready for function tools; more are started while calls have to wait. */
const FUNCTION_THREADS = 2;

/**
 * Opens everything that the proxy needs on Node: database, spool, sandbox, sidecar, upstream
 * connections.
 * @param givenMask for files that MCP servers write
 */
export async function openNodePlatform(
  config: Config,
  logger: Logger,
  givenMask: number,
): Promise<NodePlatform> {
  // The sidecar starts while the database does, so that both are there when the server listens.
  const sidecar = startSidecar(config, logger, givenMask);
  const open = await openDatabase(config, logger).catch(async (error: unknown) => {
    await sidecar.close();
    throw error;
  });
  const housekeeping = startHousekeeping(open.database, config, logger);
  const memory = new Memory();
  const records = await openRecordKeeper({
    connection: open.connection,
    config,
    logger,
    memory,
    clock: systemClock,
  });
  const sandbox = createFunctionSandbox({ threads: FUNCTION_THREADS });
  const heavy = createHeavyWork();
  const upstream = createSendUpstream(config);
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  const guarded = createGuardedFetch(config);
  const platform: Platform = {
    config,
    runtime: { name: "node", version: process.versions.node },
    logger,
    clock: systemClock,
    database: open.database,
    send: upstream.send,
    openDecoder,
    fetch: ((input: string | URL, init?: RequestInit) =>
      undiciFetch(input, {
        ...(init as object),
        dispatcher: agent,
      })) as unknown as typeof globalThis.fetch,
    fetchGuarded: guarded.fetch,
    sandbox,
    sha256: startHash,
    heavy,
    sidecar: () => sidecar.endpoint(),
    once: createOnce(),
    outlivesRequests: true,
    turnstile: createTurnstile,
    connections: memory,
    noticesLeavingMs: null,
    maxUnreadBytes: MAX_UNREAD_BYTES,
    keepRecord: records.keep,
    waitingRecords: null,
    partHealth: async () => ({ sidecar: await sidecar.health(), records: records.health() }),
    memory,
  };
  return {
    platform,
    close: async () => {
      await Promise.all([
        records.close(LAST_RECORDS_MS),
        housekeeping.close(),
        sidecar.close(),
        sandbox.close(),
        heavy.close(),
        upstream.close(),
        agent.destroy(),
        guarded.close(),
      ]);
      await open.close();
    },
  };
}
