/** Starts, once for each vitest project, the place where its contract tests run. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { TestProject } from "vitest/node";
import type { Target } from "../contract-targets.ts";
import { startPostgres } from "./postgres-server.ts";
import { SETTINGS } from "./settings.ts";

export { ADMIN_PASSWORD } from "./settings.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Where the proxy listens; the one in the test's own process is in `proxy.inProcess`. */
    proxyUrl: string;
    target: Target;
  }
}

/** A place outside the tests' own process. */
type StartedTarget = Exclude<Target, "in-process">;

/** Ends something that was started. */
export type Stop = () => Promise<void>;

const ROOT = resolve(import.meta.dirname, "../..");

/** Many short lives of the same programs: what one has compiled serves the next. */
const NODE_COMPILE_CACHE = join(tmpdir(), "proxy-test-compile-cache");

/** A child process that has printed the line it was waited for. */
export interface StartedProcess {
  child: ChildProcess;
  /** What the line's pattern captured. */
  captured: string;
  output: string[];
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts a Node program of ours, and waits for a line of its output. */
export function startProcess(
  args: string[],
  options: { env: Record<string, string>; ready: RegExp },
): Promise<StartedProcess> {
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { PATH, HOME, NODE_COMPILE_CACHE, ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output: string[] = [];
  const exited = new Promise<void>((done) => child.once("exit", () => done()));
  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
  };
  return new Promise((started, failed) => {
    const read = (line: string) => {
      output.push(line);
      const match = options.ready.exec(line);
      if (match) started({ child, captured: match[1] ?? "", output, stop });
    };
    createInterface(child.stdout).on("line", read);
    createInterface(child.stderr).on("line", read);
    void exited.then(() =>
      failed(new Error(`${args.join(" ")} ended before it was ready:\n${output.join("\n")}`)),
    );
  });
}

/** Starts the proxy on Node as `npm start` does, on any free port. */
export function startNodeProxy(env: Record<string, string>): Promise<StartedProcess> {
  return startProcess(["src/node/main.ts"], {
    env: { ...SETTINGS, HOST: "127.0.0.1", PORT: "0", ...env },
    ready: /Listening on (http:\/\/[^\s"]+)/,
  });
}

async function startNode(databaseUrl: string | null, stops: Stop[]): Promise<string> {
  const dataDir = mkdtempSync(join(tmpdir(), "proxy-test-"));
  stops.push(async () => rmSync(dataDir, { recursive: true, force: true }));
  const started = await startNodeProxy({
    DATA_DIR: dataDir,
    ...(databaseUrl === null ? {} : { DATABASE_URL: databaseUrl }),
  });
  stops.push(started.stop);
  return started.captured;
}

/** How the Worker of a test differs from the one that is deployed. */
interface WorkerDifferences {
  /** Variables that it has beside the usual ones, or instead. */
  env?: Record<string, string>;
  /** Changes the text of wrangler.toml. */
  configure?: (config: string) => string;
  /** A directory for what its bindings keep, which stays. */
  persistTo?: string;
  /** Whether the database is reached through a Hyperdrive; else by the variable of `env`. */
  hasHyperdrive?: boolean;
}

/** The Hyperdrive block that a deployment would have. */
function hyperdriveBlock(databaseUrl: string): string {
  const withPassword = new URL(databaseUrl);
  // Hyperdrive insists on one; the test server does not look at it.
  withPassword.password ||= "password";
  return `[[hyperdrive]]\nbinding = "HYPERDRIVE"\nid = "test"\nlocalConnectionString = "${withPassword.href}"\n`;
}

/** Writes the Worker's configuration, with whatever a deployment would have beside ours. */
function workerConfig(
  directory: string,
  more: string,
  configure: (config: string) => string,
): string {
  const config = readFileSync(join(ROOT, "wrangler.toml"), "utf8")
    .replace('main = "', `main = "${ROOT}/`)
    .replace('directory = "', `directory = "${ROOT}/`);
  const configured = configure(config);
  const path = join(directory, "wrangler.toml");
  writeFileSync(path, `${configured}\n${more}`);
  return path;
}

/**
 * Starts the proxy on workerd, with a sidecar of its own.
 * @param env variables that it has beside the usual ones, or instead
 */
export async function startWorker(
  databaseUrl: string,
  stops: Stop[],
  env: Record<string, string> = {},
): Promise<string> {
  return (await startWorkerProcess(databaseUrl, stops, { env })).captured;
}

/** As `startWorker`, and gives the process of `wrangler dev`. */
export async function startWorkerProcess(
  databaseUrl: string,
  stops: Stop[],
  { env = {}, configure = (config) => config, persistTo, hasHyperdrive = true }: WorkerDifferences,
): Promise<StartedProcess> {
  const directory = mkdtempSync(join(tmpdir(), "proxy-worker-"));
  stops.push(async () => rmSync(directory, { recursive: true, force: true }));
  await (
    await startProcess(["src/node/migrate.ts"], {
      env: { ...SETTINGS, DATABASE_URL: databaseUrl },
      ready: /migrat/i,
    })
  ).stop();
  const token = "a token for tests";
  const sidecar = await startProcess(["mcp-sidecar/main.ts"], {
    env: { PORT: "0", MCP_SIDECAR_TOKEN: token },
    ready: /"port":(\d+)/,
  });
  stops.push(sidecar.stop);
  const vars = {
    ...SETTINGS,
    MCP_SIDECAR_URL: `http://127.0.0.1:${sidecar.captured}`,
    MCP_SIDECAR_TOKEN: token,
    ...env,
  };
  // `wrangler dev`, as its users start it: wrangler's own test harness sends a Worker's fetches
  // through Node, which hides redirects, broken connections and cancellation.
  const wrangler = [
    "node_modules/wrangler/bin/wrangler.js",
    "dev",
    `--config=${workerConfig(directory, hasHyperdrive ? hyperdriveBlock(databaseUrl) : "", configure)}`,
    ...(persistTo === undefined ? [] : [`--persist-to=${persistTo}`]),
    "--ip=127.0.0.1",
    "--port=0",
    "--inspector-port=0",
    "--show-interactive-dev-session=false",
    "--log-level=log",
    ...Object.entries(vars).flatMap(([name, value]) => ["--var", `${name}:${value}`]),
  ];
  const settings = {
    WRANGLER_SEND_METRICS: "false",
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
    NO_COLOR: "1",
  };
  const worker = await startProcess(wrangler, {
    env: settings,
    ready: /Ready on (http:\/\/[^\s"]+)/,
  });
  stops.push(worker.stop);
  return worker;
}

/**
 * Says why the target has ended, should it do so before it is stopped: all tests behind it fail.
 */
function tellOfEarlyEnd({ child, output }: StartedProcess, stops: Stop[]): void {
  const tell = (code: number | null, signal: NodeJS.Signals | null) => {
    const last = output.slice(-60).join("\n");
    console.error(`wrangler dev ended (${code ?? signal}) before it was stopped:\n${last}`);
  };
  child.once("exit", tell);
  stops.push(async () => void child.off("exit", tell));
}

/**
 * Starts the project's target; `stops` hears of each part as soon as it runs, so that a failed
 * start leaves nothing behind.
 */
async function startTarget(target: StartedTarget, stops: Stop[]): Promise<string> {
  if (target === "node-pglite") return startNode(null, stops);
  const postgres = await startPostgres();
  stops.push(postgres.stop);
  const database = await postgres.createDatabase();
  if (target !== "workerd") return startNode(database, stops);
  const worker = await startWorkerProcess(database, stops, {});
  tellOfEarlyEnd(worker, stops);
  return worker.captured;
}

/** Vitest calls this before the first test of a project. */
export default async function setup(project: TestProject): Promise<Stop> {
  const target = project.name as StartedTarget;
  const stops: Stop[] = [];
  const stopAll = async () => {
    for (const stop of stops.toReversed()) await stop();
  };
  try {
    project.provide("proxyUrl", await startTarget(target, stops));
    project.provide("target", target);
  } catch (error) {
    await stopAll();
    throw error;
  }
  return stopAll;
}
