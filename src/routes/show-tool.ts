import { isObject, parseJson } from "../openai/json.ts";
import type { Platform } from "../platform.ts";
import { sealOf, SealError } from "../store/seal.ts";
import type { StoredTool } from "../store/tools.ts";
import { hiddenTextOf } from "../tools/hidden-text.ts";
import { waitingChange } from "../tools/drift/tool-drift.ts";

/**
 * Names of sealed variables or headers, or null where ENCRYPTION_KEY was changed: a list must not
 * fail over one tool.
 */
async function namesIn(platform: Platform, sealed: string | null): Promise<string[] | null> {
  if (sealed === null) return [];
  try {
    const variables = parseJson(await sealOf(platform).open(sealed));
    return isObject(variables) ? Object.keys(variables) : null;
  } catch (error) {
    if (error instanceof SealError) return null;
    throw error;
  }
}

/** A tool as the operator sees it: names of variables and headers, never their values. */
export async function showTool(platform: Platform, tool: StoredTool) {
  const {
    env,
    mcpHeaders,
    parameters,
    mcpApproved: _approved,
    mcpChanged: _changed,
    createdAt,
    updatedAt,
    ...rest
  } = tool;
  const [envNames, mcpHeaderNames] = await Promise.all([
    namesIn(platform, env),
    namesIn(platform, mcpHeaders),
  ]);
  const { name, description } = tool;
  const schema = parseJson(parameters);
  const change = waitingChange(tool);
  return {
    ...rest,
    parameters: schema,
    ...hiddenTextOf({ name, description, parameters: schema }),
    envNames,
    mcpHeaderNames,
    mcpChange: change && {
      ...change,
      // What waits, not what was approved, is what is to be decided about.
      ...(change.to === null ? {} : hiddenTextOf({ name, ...change.to })),
    },
    createdAt,
    updatedAt,
  };
}
