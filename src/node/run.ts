/**
 * The server on Node: reads the configuration, opens everything, listens, and ends in order on
 * SIGTERM and SIGINT.
 */
import { existsSync } from "node:fs";
import { ConfigError, readConfig, type Config } from "../config/read-config.ts";
import { createLogger } from "./create-logger.ts";
import { openNodePlatform } from "./platform.ts";
import { keepFilesPrivate } from "./private-files.ts";
import { readEnvironment } from "./read-environment.ts";
import { startServer } from "./serve.ts";
import { surviveLateWrites } from "./survive-late-write.ts";
import { messageOf } from "../openai/error-message.ts";

/** What comes within this time of a first signal is the same one. */
const SAME_SIGNAL_MS = 500;

function readConfigOrExit(): Config {
  try {
    if (existsSync(".env")) process.loadEnvFile(".env");
    return readConfig(readEnvironment(process.env));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    return process.exit(1);
  }
}

async function main(): Promise<void> {
  const config = readConfigOrExit();
  const givenMask = keepFilesPrivate();
  const logger = createLogger(config);
  surviveLateWrites(logger);
  for (const warning of config.warnings) logger.warn(warning);
  const open = await openNodePlatform(config, logger, givenMask);
  const server = await startServer(open.platform).catch(async (error: unknown) => {
    await open.close();
    throw error;
  });
  logger.info(`Listening on ${server.url}`, { environment: config.environment });

  let endingSince: number | null = null;
  const end = (signal: string) => {
    // A second signal means now; but npm passes on what the terminal has told us already.
    if (endingSince !== null && performance.now() - endingSince < SAME_SIGNAL_MS) return;
    if (endingSince !== null) process.exit(1);
    endingSince = performance.now();
    logger.info("Ending: running requests are let finish", { signal });
    void server
      .drain(config.drainTimeoutMs)
      .then(() => open.close())
      .then(() => process.exit(0));
  };
  process.on("SIGTERM", () => end("SIGTERM"));
  process.on("SIGINT", () => end("SIGINT"));
  endWithNpm(() => end("npm is gone"));
}

const NPM_CHECK_MS = 500;

/**
 * `npm start` runs a shell that runs us. A signal to npm ends the shell, which does not pass it on
 * (npm 11 with dash, seen 2026-11): we would stay behind, on the port and on the database.
 */
function endWithNpm(end: () => void): void {
  if (process.env["npm_lifecycle_event"] === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    end();
  }, NPM_CHECK_MS).unref();
}

main().catch((error: unknown) => {
  console.error(`The proxy could not start: ${messageOf(error)}`);
  process.exit(1);
});
