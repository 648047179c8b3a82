import { readFileSync } from "node:fs";
import { ConfigError, type Environment } from "../config/read-config.ts";
import { withFiles } from "../config/variable.ts";
import { VARIABLES } from "../config/variables.ts";

/**
 * The environment of the Node server, with `NAME_FILE` read where there is one.
 * @throws ConfigError where a file cannot be read
 */
export function readEnvironment(env: NodeJS.ProcessEnv): Environment {
  const faults: string[] = [];
  const readFile = (path: string) => readFileSync(path, "utf8");
  const environment = withFiles(VARIABLES, env, { readFile, faults });
  if (faults.length > 0) throw new ConfigError(faults);
  return environment;
}
