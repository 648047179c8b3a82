import { readFileSync } from "node:fs";
import { ConfigError, VARIABLES, type Environment } from "../config.ts";
import { messageOf } from "../openai/error-message.ts";

/**
 * The environment with `NAME_FILE` read for every secret (Docker and Kubernetes mount secrets as
 * files), and for what is too long for a variable. A variable that is set itself wins over its
 * file.
 * @throws ConfigError where a file cannot be read
 */
export function readEnvironment(env: NodeJS.ProcessEnv): Environment {
  const faults: string[] = [];
  const environment: Record<string, string | undefined> = {};
  for (const [name, variable] of Object.entries(VARIABLES)) {
    environment[name] = env[name];
    const path = env[`${name}_FILE`];
    const hasFile = variable.secret || "file" in variable;
    if (!hasFile || path === undefined || path === "" || (env[name] ?? "") !== "") continue;
    try {
      environment[name] = readFileSync(path, "utf8").trim();
    } catch (error) {
      faults.push(`${name}_FILE names a file that cannot be read: ${messageOf(error)}`);
    }
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return environment;
}
