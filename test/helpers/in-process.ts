/**
 * The proxy in the test's own process: `createApp` behind the product's HTTP server, on a third
 * `Platform`. What the other two have of processes, threads and files is a small fake here: no
 * sidecar, no spool (a record is written when it is kept), a database in memory. The rest is real.
 *
 * Each part can be another: `startInProcess({ clock })`, or a member of `here.inProcess.platform`.
 */
import { systemClock, type Clock } from "../../src/clock.ts";
import { readConfig } from "../../src/config/read-config.ts";
import { readAnyTurn } from "../../src/limits/read-figures.ts";
import { noteTurnsWritten } from "../../src/limits/memory-limits.ts";
import { Memory } from "../../src/memory.ts";
import { createFunctionSandbox } from "../../src/node/function-sandbox.ts";
import { startHash } from "../../src/node/hash.ts";
import { createGuardedFetch } from "../../src/node/guarded-fetch.ts";
import { openDecoder } from "../../src/node/open-decoder.ts";
import { createSendUpstream } from "../../src/node/send-upstream.ts";
import { startServer } from "../../src/node/serve.ts";
import { createOnce, createTurnstile } from "../../src/node/wait-for-one-another.ts";
import type { Platform } from "../../src/platform.ts";
import { describeError } from "../../src/store/describe-error.ts";
import { writeTurns } from "../../src/store/write-turns.ts";
import { memoryLogger } from "../unit/database/memory-logger.ts";
import { openMemoryDatabase } from "./memory-database.ts";
import { SETTINGS } from "./settings.ts";

/** A proxy in this process. */
export interface InProcessProxy {
  /** Where it listens, because SDKs want a URL. */
  url: string;
  /** What it runs on; a test may put a fake into a part of it. */
  platform: Platform;
  /** What it logged: `level message {fields}`. */
  lines: string[];
}

/** A clock that a test can turn forward. */
export function createTestClock(): Clock & { pass(ms: number): void } {
  let passed = 0;
  return {
    now: () => systemClock.now() + passed,
    elapsed: () => systemClock.elapsed() + passed,
    pass: (ms) => void (passed += ms),
  };
}

async function createPlatform(
  parts: Partial<Platform>,
): Promise<Pick<InProcessProxy, "platform" | "lines">> {
  const logger = memoryLogger();
  const config = readConfig({ ...SETTINGS, HOST: "127.0.0.1", PORT: "0" });
  const database = parts.database ?? (await openMemoryDatabase(logger));
  const memory = new Memory();
  const platform: Platform = {
    config,
    runtime: { name: "node", version: process.versions.node },
    logger,
    database,
    send: createSendUpstream(config).send,
    fetch: globalThis.fetch,
    fetchGuarded: createGuardedFetch(config).fetch,
    sandbox: createFunctionSandbox({ threads: 1 }),
    sidecar: async () => null,
    clock: systemClock,
    once: createOnce(),
    openDecoder,
    outlivesRequests: true,
    turnstile: createTurnstile,
    connections: memory,
    noticesLeavingMs: null,
    heavy: null,
    sha256: startHash,
    maxUnreadBytes: 64 * 1024,
    keepRecord: async (record) => {
      try {
        const { fault, ...turn } = await readAnyTurn(record, config.prices);
        if (fault !== null) logger.error("A record has no content", { error: fault });
        await writeTurns(database, [turn]);
        noteTurnsWritten(memory, [record.id]);
      } catch (error) {
        logger.error("A record could not be written", { error: describeError(error) });
      }
    },
    waitingRecords: null,
    partHealth: async () => ({ sidecar: { status: "unconfigured" }, records: { status: "ok" } }),
    memory,
    ...parts,
  };
  return { platform, lines: logger.lines };
}

/**
 * Starts a proxy that ends with this process.
 * @param parts what it has instead of a part of its own: with the database of `here.inProcess`, it
 * is a replica of that
 */
export async function startInProcess(parts: Partial<Platform> = {}): Promise<InProcessProxy> {
  const made = await createPlatform(parts);
  const { url } = await startServer(made.platform);
  return { ...made, url };
}
