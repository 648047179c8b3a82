/**
 * Entry of the MCP sidecar: `node mcp-sidecar/main.ts`, alone in a container or as a child of the
 * proxy.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { serve, type ServerType } from "@hono/node-server";
import { createSidecarApp } from "./app.ts";
import { readSidecarConfig, SidecarConfigError, type SidecarConfig } from "./config.ts";
import { createLog, type Log } from "./log.ts";
import { ProcessLedger } from "./process-ledger.ts";
import { ServerRegistry } from "./server-registry.ts";
import { ServerUsers } from "./server-users.ts";
import { Sessions } from "./sessions.ts";

/** MCP servers get this long to end by themselves; whoever is left then is killed. */
const SHUTDOWN_LIMIT_MS = 4_000;

/**
 * The environment of a sidecar that the proxy started, with the token, which comes by the channel
 * between them: what a process is started with can be read in `/proc` as long as it lives.
 */
async function environment(): Promise<NodeJS.ProcessEnv> {
  const { env } = process;
  if (env["MCP_SIDECAR_TOKEN"] !== "by-channel") return env;
  const [token] = (await once(process, "message")) as [string];
  return { ...env, MCP_SIDECAR_TOKEN: token };
}

function readConfigOrExit(env: NodeJS.ProcessEnv): SidecarConfig {
  try {
    return readSidecarConfig(env);
  } catch (error) {
    if (!(error instanceof SidecarConfigError)) throw error;
    console.error(error.message);
    process.exit(1);
  }
}

async function listen(config: SidecarConfig, log: Log): Promise<void> {
  const users = config.users === null ? null : new ServerUsers(config.users);
  const ledger = new ProcessLedger(config.stateDir, log, users !== null);
  process.on("exit", () => ledger.killAll());
  await ledger.reap();
  const registry = new ServerRegistry({ config, log, ledger, users });
  const sessions = new Sessions(registry, { config, log });
  const { token, host } = config;
  const hasUsers = users !== null;
  const app = createSidecarApp({ token, host, hasUsers, registry, sessions, log });
  const server: ServerType = serve(
    { fetch: app.fetch, port: config.port, hostname: config.host },
    ({ port }: AddressInfo) => {
      log.info({ host: config.host, port }, "The MCP sidecar listens");
      process.send?.({ listening: port });
    },
  );
  server.on("error", (error) => {
    console.error(
      `The MCP sidecar cannot listen on ${config.host}:${config.port}: ${error.message}`,
    );
    process.exit(1);
  });

  let ending = false;
  const shutDown = async (reason: string): Promise<void> => {
    if (ending) return;
    ending = true;
    log.info({ reason }, "The MCP sidecar shuts down");
    server.close();
    await Promise.race([registry.close(), sleep(SHUTDOWN_LIMIT_MS)]);
    await Promise.race([sessions.close(), sleep(200)]);
    process.exit(0);
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const)
    process.on(signal, () => void shutDown(signal));
  // A child of the proxy has a channel to it. That closes however the proxy ends, `kill -9`
  // included.
  process.on("disconnect", () => void shutDown("the proxy is gone"));
}

const config = readConfigOrExit(await environment());
await listen(config, createLog(config.logLevel));
