/**
 * Names for the tools of MCP servers. OpenAI takes 64 characters of `a-zA-Z0-9_-`, MCP up to 128
 * with dots and slashes, and two servers may have a tool of the same name (metamcp#249,
 * docker/mcp-gateway#228 and #567, agentgateway#495).
 */
import { sha256Hex } from "#sha256";
import { parseServerCommand, readLaunchedServer } from "./server-command.ts";

const MAX_LENGTH = 64;
const HASH_LENGTH = 8;
/** Longer ones would leave too little of the tool's own name. */
const MAX_SERVER_LENGTH = 32;

/** A server: its command line or its URL, and what the operator calls it, where that is known. */
interface NamedServer {
  place: { command: string } | { url: string };
  name?: string;
}

const plain = (text: string) => text.replace(/[^A-Za-z0-9_-]+/g, "_");

/**
 * `@scope/server-files@1.2.0` is `server-files`, and so is
 * `git+https://example.com/server-files.git`.
 */
function packageOf(command: string): string {
  const { packages, target } = readLaunchedServer(parseServerCommand(command));
  return (packages[0] ?? target)
    .replace(/(?<=.)@[^/]*$|[=<>~![].*$/s, "")
    .replace(/\.git$/, "")
    .replace(/^.*[/\\]/s, "");
}

/**
 * A short word for a server: its name, its package, or its host.
 * @throws Error where the command is none that can be started
 */
function wordOf({ place, name }: NamedServer): string {
  const word = name ?? ("url" in place ? new URL(place.url).hostname : packageOf(place.command));
  const trimmed = plain(word).slice(0, MAX_SERVER_LENGTH);
  return trimmed.replace(/^_+|_+$/g, "") || "mcp";
}

/**
 * Names for a server's tools: `server__tool`, and where that is too long, has characters that
 * OpenAI refuses, or is another's already, as much of it as fits with a hash of server and tool. A
 * tool has the same name whatever others there are.
 * @param tools as the server names them, in its order
 * @throws Error where the server's command is none that can be started
 */
export function suggestNames(server: NamedServer, tools: string[]): string[] {
  const { place } = server;
  const word = wordOf(server);
  const taken = new Set<string>();
  return tools.map((tool) => {
    const whole = `${word}__${plain(tool)}`;
    const hashed = (nth: number) => {
      const identity = [
        "url" in place ? place.url : place.command,
        tool,
        ...(nth === 1 ? [] : [nth]),
      ].join("\0");
      const hash = sha256Hex(identity).slice(0, HASH_LENGTH);
      return `${whole.slice(0, MAX_LENGTH - HASH_LENGTH - 1)}_${hash}`;
    };
    let name = plain(tool) === tool && whole.length <= MAX_LENGTH ? whole : hashed(1);
    for (let nth = 2; taken.has(name); nth++) name = hashed(nth);
    taken.add(name);
    return name;
  });
}
