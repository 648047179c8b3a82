import { ErrorCode } from "@modelcontextprotocol/sdk/types.js";
import { Mask } from "../src/secrets/mask.ts";
import { secretsAmong, secretsInWords } from "../src/secrets/secret-values.ts";
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

/** Shorter values are too many words' parts, even in what a server prints. */
const SHORTEST_HIDDEN = 4;

/**
 * Servers like to print their configuration; messages must not carry an operator's secrets to a
 * model. Here short values are hidden too, and whatever they are: it is no answer that would be
 * mangled.
 */
export function hideEnvironment(
  { env, args }: Pick<ServerDefinition, "env" | "args">,
  text: string,
): string {
  const named = Object.entries(env).map(([name, value]) => ({ value, shown: `[${name}]` }));
  const mask = new Mask([...named, ...secretsAmong(env), ...secretsInWords(args)]);
  const short = named.filter(({ value }) => value.length >= SHORTEST_HIDDEN);
  return short.reduce(
    (shown, secret) => shown.replaceAll(secret.value, secret.shown),
    mask.text(text),
  );
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
