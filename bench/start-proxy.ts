import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProgram, type StartedProgram } from "./start-program.ts";

/** Our proxy with the keys that a measurement needs. */
export interface StartedProxy {
  program: StartedProgram;
  /** A key without tools. */
  plainKey: string;
  /** A key with tools that no model calls. */
  toolKey: string;
  /** Ends the proxy and deletes its data directory. */
  stop(): Promise<void>;
}

interface ProxyOptions {
  /** The mock upstream's address, without `/v1`. */
  upstreamUrl: string;
  /**
   * PostgreSQL, or null for the embedded database. It is migrated, and left with the records of the
   * measurement.
   */
  databaseUrl: string | null;
  /** How many tools the key with tools has. */
  tools: number;
  /** Options for Node, for example to make a profile. */
  nodeOptions: string[];
}

const PASSWORD = "a password for measurements";

function proxyEnvironment(
  { upstreamUrl, databaseUrl }: ProxyOptions,
  dataDir: string,
): Record<string, string> {
  return {
    NODE_ENV: "production",
    HOST: "127.0.0.1",
    PORT: "0",
    DATA_DIR: dataDir,
    JWT_SECRET: "a secret for measurements, long enough",
    ADMIN_PASSWORD: PASSWORD,
    OPENAI_BASE_URL: `${upstreamUrl}/v1`,
    OPENAI_API_KEY: "sk-bench",
    // The line that says where it listens is at this level; there is none per request.
    LOG_LEVEL: "info",
    ...(databaseUrl === null ? {} : { DATABASE_URL: databaseUrl }),
  };
}

/** Posts JSON to the admin API and gives the answer's JSON. */
async function post(url: string, body: unknown, token?: string): Promise<Record<string, unknown>> {
  const headers = {
    "content-type": "application/json",
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${new URL(url).pathname} answered ${answer.status}: ${text}`);
  return JSON.parse(text) as Record<string, unknown>;
}

/**
 * A tool as an operator would write it: some 500 bytes in the request. The database may have it
 * from an earlier run, so names are new.
 */
function toolNumber(index: number, run: string): Record<string, unknown> {
  return {
    name: `lookup_${index}_${run}`,
    description:
      "Looks up one record of the inventory by its number and gives its name, its price in cents and how many are in stock.",
    type: "function",
    parameters: {
      type: "object",
      properties: {
        number: {
          type: "string",
          description: "The number of the record, as printed on the label",
        },
        fields: {
          type: "array",
          items: { type: "string", enum: ["name", "price", "stock"] },
          description: "What to give",
        },
        limit: { type: "integer", minimum: 1, maximum: 100 },
      },
      required: ["number"],
    },
    implementation: "return { number: args.number, stock: 7 };",
  };
}

async function createKeys(
  url: string,
  tools: number,
): Promise<Pick<StartedProxy, "plainKey" | "toolKey">> {
  const { token } = await post(`${url}/api/admin/login`, { password: PASSWORD });
  const create = async (kind: "tools" | "api-keys", body: Record<string, unknown>) =>
    post(`${url}/api/admin/${kind}`, body, String(token));
  const run = crypto.randomUUID().slice(0, 8);
  const toolIds: unknown[] = [];
  for (let index = 0; index < tools; index++)
    toolIds.push((await create("tools", toolNumber(index, run)))["id"]);
  const plain = await create("api-keys", { name: "bench, no tools" });
  const withTools = await create("api-keys", { name: `bench, ${tools} tools`, toolIds });
  return { plainKey: String(plain["key"]), toolKey: String(withTools["key"]) };
}

/**
 * Starts our proxy as `npm start` does, on an empty data directory, and makes its keys through the
 * admin API.
 */
export async function startProxy(options: ProxyOptions): Promise<StartedProxy> {
  const dataDir = mkdtempSync(join(tmpdir(), "proxy-bench-"));
  const removeData = () => rmSync(dataDir, { recursive: true, force: true });
  try {
    const program = await startProgram({
      command: [...options.nodeOptions, "src/node/main.ts"],
      env: proxyEnvironment(options, dataDir),
      place: "proxy",
    });
    const stop = () => program.stop().finally(removeData);
    const keys = await createKeys(program.url, options.tools).catch(async (error: unknown) => {
      await stop();
      throw error;
    });
    return { program, ...keys, stop };
  } catch (error) {
    removeData();
    throw error;
  }
}
