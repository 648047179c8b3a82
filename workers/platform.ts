import { systemClock } from "../src/clock.ts";
import { Memory } from "../src/memory.ts";
import type { Platform } from "../src/platform.ts";
import type { Database } from "../src/store/database.ts";
import { AddressRefused, checkServerUrl } from "../src/tools/addresses/address-policy.ts";
import { connectDatabase } from "./connect-database.ts";
import { createLogger } from "./create-logger.ts";
import { createTurnstile } from "./turnstile.ts";
import { startHash } from "./hash.ts";
import { createFunctionSandbox } from "./function-sandbox.ts";
import { openDecoder } from "./open-decoder.ts";
import { recordsHealth, sidecarHealth } from "./part-health.ts";
import type { WorkerEnvironment } from "./read-environment.ts";
import { directWay } from "./records/direct-way.ts";
import { keepRecord } from "./records/keep-record.ts";
import { queueWay } from "./records/queue-way.ts";
import type { RecordWay } from "./records/record-way.ts";
import { spooledDollars, spoolWay } from "./records/spool-way.ts";
import { createSendUpstream } from "./send-upstream.ts";
import type { CompleteConfig } from "./worker-config.ts";

/** workerd learns of a client that has left when it writes to it. */
const NOTICE_LEFT_MS = 500;

/**
 * What the isolate keeps between requests. Nothing in it may hold a connection: that would belong
 * to one request.
 */
const memory = new Memory();
const sandbox = createFunctionSandbox();

/** The ways of records, the one to be tried first before the others. */
function recordWays(platform: Platform, env: WorkerEnvironment): RecordWay[] {
  const { RECORD_QUEUE: queue, RECORD_SPOOL: spool } = env;
  return [
    ...(queue === undefined ? [] : [queueWay(queue)]),
    ...(spool === undefined ? [] : [spoolWay(spool, platform.config)]),
    directWay(memory, () => platform),
  ];
}

/** What one request needs of workerd. */
export function createWorkerPlatform(
  config: CompleteConfig,
  env: WorkerEnvironment,
  context: ExecutionContext,
): Platform {
  let database: Database | null = null;
  const logger = createLogger({ config, memory });
  const { RECORD_SPOOL: spool } = env;
  const waitUntil = (promise: Promise<unknown>) => context.waitUntil(promise);
  const platform: Platform = {
    config,
    runtime: { name: "workerd", version: null },
    logger,
    clock: systemClock,
    get database() {
      const owner = { max: 3, idleSeconds: 0.1, memory, waitUntil };
      return (database ??= connectDatabase(config.databaseUrl, owner));
    },
    send: createSendUpstream(config),
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
    // What is left of a request when its answer has ended is ended after 30 s.
    outlivesRequests: false,
    turnstile: createTurnstile,
    connections: null,
    noticesLeavingMs: NOTICE_LEFT_MS,
    maxUnreadBytes: Infinity,
    keepRecord: (record) => keepRecord(record, recordWays(platform, env), { logger, waitUntil }),
    waitingRecords: {
      dollars: async (apiKeyId, except) =>
        spool === undefined ? 0 : spooledDollars(spool, apiKeyId, except),
    },
    partHealth: async () => ({
      sidecar: await sidecarHealth(config),
      records: await recordsHealth(env, memory),
      sandbox: { status: "ok" },
    }),
    memory,
  };
  return platform;
}
