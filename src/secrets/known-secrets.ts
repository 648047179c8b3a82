import type { Config } from "../config/read-config.ts";
import { VARIABLES } from "../config/variables.ts";
import type { Variable } from "../config/variable.ts";
import { forgetOldest, memorySlot, type Memory } from "../memory.ts";
import { Mask, type Secret } from "./mask.ts";
import { secretsInUrl } from "./secret-values.ts";

/** Masks are made once for each credential; so many are kept. */
const MAX_KEPT = 256;

/** A word, such as the usual names of databases: to mask it would mangle what people say. */
const WORD = /^[A-Za-z]+$/;

/** The values of the proxy's own variables that are secrets. */
function configSecrets(config: Config): Secret[] {
  return Object.entries<Variable>(VARIABLES).flatMap(([member, row]) => {
    const value: unknown = Object.hasOwn(config, member) ? config[member as keyof Config] : null;
    if (typeof value !== "string") return [];
    const inside = secretsInUrl(value);
    const isWhole = row.isSecret === true && value !== row.default;
    const values = isWhole ? [value, ...inside] : inside;
    return values.filter((found) => !WORD.test(found)).map((found) => ({ value: found }));
  });
}

/** The parts of a platform that masks need. */
export interface SecretsOwner {
  config: Config;
  memory: Memory;
}

const slot = memorySlot((config: Config) => ({
  secrets: configSecrets(config),
  masks: new Map<string, Mask>(),
}));

/**
 * What masks the proxy's own secrets, keys of the proxy, and a credential.
 * @param credential that an upstream was sent, if any
 */
export function maskOf({ config, memory }: SecretsOwner, credential: string | null = null): Mask {
  const { secrets, masks } = slot.of(memory, config);
  const name = credential ?? "";
  const known = masks.get(name);
  if (known !== undefined) return known;
  const mask = new Mask([...secrets, { value: name }]);
  masks.set(name, mask);
  forgetOldest(masks, MAX_KEPT);
  return mask;
}
