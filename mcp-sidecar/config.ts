import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readVariables, withFiles, type ValuesOf } from "../src/config/variable.ts";
import { SIDECAR_VARIABLES } from "./variables.ts";

type Settings = ValuesOf<typeof SIDECAR_VARIABLES>;

/** The checked environment of the sidecar: a member for each row of `variables.ts`. */
export interface SidecarConfig extends Omit<Settings, "token" | "stateDir"> {
  /** What every request must show as `Authorization: Bearer …`. */
  token: string;
  stateDir: string;
}

/** Thrown by {@link readSidecarConfig}: one message that lists every fault. */
export class SidecarConfigError extends Error {}

const NO_TOKEN =
  "MCP_SIDECAR_TOKEN is not set, and the sidecar starts processes for whoever may reach it: " +
  "set it (or MCP_SIDECAR_TOKEN_FILE, to a file that is not empty) to a long random string, " +
  "the same as for the proxy.";

function defaultStateDir(): string {
  return join(tmpdir(), `openai-proxy-mcp-sidecar-${process.getuid?.() ?? "user"}`);
}

/**
 * Checks the environment. Only the names in `variables.ts` are read.
 * @throws SidecarConfigError with every fault at once
 */
export function readSidecarConfig(env: NodeJS.ProcessEnv): SidecarConfig {
  const faults: string[] = [];
  const readFile = (path: string) => readFileSync(path, "utf8");
  const strings = withFiles(SIDECAR_VARIABLES, env, { readFile, faults });
  const settings = readVariables(SIDECAR_VARIABLES, strings, faults);
  const { token, stateDir } = settings;
  if (token === null) faults.push(NO_TOKEN);
  if (token === null || faults.length > 0) {
    const lines = faults.map((fault) => `  - ${fault}`);
    throw new SidecarConfigError(`The MCP sidecar cannot start:\n${lines.join("\n")}`);
  }
  return { ...settings, token, stateDir: stateDir ?? defaultStateDir() };
}
