import { Mask } from "../../secrets/mask.ts";
import { secretsAmong, secretsInUrl, secretsInWords } from "../../secrets/secret-values.ts";
import type { McpTarget } from "./mcp-target.ts";
import { parseServerCommand } from "./server-command.ts";

/**
 * What masks the secrets that an MCP server was given: in headers and address, or in variables and
 * arguments. Whatever it says goes through here before models, clients, operators or the record
 * have it.
 */
export function maskOfTarget(target: McpTarget): Mask {
  if (target.kind === "url") {
    const inAddress = secretsInUrl(target.url).map((value) => ({ value }));
    return new Mask([...secretsAmong(target.headers), ...inAddress]);
  }
  const { args } = parseServerCommand(target.command);
  return new Mask([...secretsAmong(target.env), ...secretsInWords(args)]);
}
