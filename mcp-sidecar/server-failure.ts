import { ErrorCode } from "@modelcontextprotocol/sdk/types.js";
import type { ServerCommand, ServerDefinition } from "../src/tools/mcp/server-command.ts";
import type { ChildTransport } from "./child-transport.ts";

/** How much of a server's last output an error shows. */
const SHOWN_OUTPUT = 1_000;

/**
 * A failure of the sidecar or of a process, not an answer of an MCP server; its message is for
 * models and operators.
 */
export class ServerFailure extends Error {
  readonly code = -32603;
  readonly data: { origin: string; isBusy?: true } = { origin: "mcp-sidecar" };
}

/** A call that was not run, because too many others are. */
export class ServerBusy extends ServerFailure {
  override readonly data = { origin: "mcp-sidecar", isBusy: true } as const;
}

/**
 * A sentence, and what the process wrote last. Kept apart, so that what is to be done comes before
 * a page of output.
 */
export interface Failure {
  sentence: string;
  output: string;
}

/**
 * Servers like to print their configuration; messages must not carry an operator's secrets to a
 * model.
 */
export function hideEnvironment({ env }: Pick<ServerDefinition, "env">, text: string): string {
  const secrets = Object.entries(env).filter(([, value]) => value.length >= 4);
  return secrets
    .toSorted(([, a], [, b]) => b.length - a.length)
    .reduce((shown, [name, value]) => shown.replaceAll(value, `[${name}]`), text);
}

/** What a process wrote last, as the end of a message. */
export function lastOutput(definition: ServerDefinition, transport: ChildTransport): string {
  const tail = hideEnvironment(definition, transport.stderrTail);
  if (tail === "") return " It wrote nothing that says why.";
  return ` Its last output: ${tail.length > SHOWN_OUTPUT ? `…${tail.slice(-SHOWN_OUTPUT)}` : tail}`;
}

const SOURCES: Record<ServerCommand["command"], string> = {
  npx: "it comes with Node.js",
  uvx: "it comes with `pip install uv`",
};

/** Why a process that was started did not become an MCP server. */
export function whyNotStarted(
  {
    label,
    definition,
    startLimitMs,
  }: { label: string; definition: ServerDefinition; startLimitMs: number },
  transport: ChildTransport,
  error: unknown,
): Failure {
  const failure = (reason: string, output = lastOutput(definition, transport)) => ({
    sentence: `The MCP server \`${label}\` could not be started: ${reason}.`,
    output,
  });
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") {
    const { command } = definition;
    return failure(
      `${command} is not installed where the MCP sidecar runs (${SOURCES[command] ?? "it is unknown"})`,
      "",
    );
  }
  if (transport.exit !== null) return failure(transport.exit);
  if (code === ErrorCode.RequestTimeout)
    return failure(`it did not answer within ${startLimitMs / 1000} s`);
  return failure(
    hideEnvironment(definition, error instanceof Error ? error.message : String(error)),
  );
}
