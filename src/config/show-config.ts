import type { Config } from "./read-config.ts";
import type { Runtime, Variable } from "./variable.ts";
import { VARIABLES } from "./variables.ts";

/**
 * What the operator set, or left as it is by default, by the names of the variables that this
 * runtime reads. Secrets are not among them, nor what may be as long as a file.
 */
export function showConfig(
  config: Config,
  runtime: Runtime,
): Record<string, string | number | null> {
  const shown: Record<string, string | number | null> = {};
  for (const [member, row] of Object.entries<Variable>(VARIABLES)) {
    const { name, kind, isSecret, hasFile, runtimes } = row;
    const isRead = member in config && (runtimes?.includes(runtime) ?? true);
    if (!isRead || isSecret || hasFile) continue;
    const value: unknown = config[member as keyof Config];
    const text = value === null ? null : (kind.show?.(value) ?? value);
    shown[name] = text === "" ? null : (text as string | number | null);
  }
  return shown;
}
