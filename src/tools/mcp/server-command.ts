/**
 * The one rule for command lines of MCP servers. The admin API and the MCP client apply it before
 * anything is stored or sent, the sidecar applies it again before it starts a process, so that
 * neither has to trust the other.
 */
import { parse } from "shell-quote";

/** A command line of an MCP server, split into words. */
export interface ServerCommand {
  command: string;
  args: string[];
}

/**
 * Everything that makes one MCP server different from another; `env` holds only what the operator
 * declared.
 */
export interface ServerDefinition extends ServerCommand {
  env: Record<string, string>;
  /** Whose process it is: the id of an API key, or empty where all share one. */
  owner: string;
}

/** What a launcher (`npx`, `uvx`) was asked to run. */
export interface LaunchedServer {
  /** Packages named by `--package` or `--from`; empty where the target is the package itself. */
  packages: string[];
  /**
   * The first word that is no option: a package with an optional version, or an executable of
   * `packages`.
   */
  target: string;
  /** What the server itself gets. */
  args: string[];
}

interface Launcher {
  /** Options that take a value, which may also follow after `=`. */
  valued: Set<string>;
  /** Those of them that name the package. */
  packages: Set<string>;
  flags: Set<string>;
}

/**
 * Options are allowed by name, not refused by name: `npx --cal`, `-yc` and `--node-options` all
 * evaluate code, and npm completes abbreviations, so a list of what is dangerous is never complete.
 */
const LAUNCHERS: Record<string, Launcher> = {
  npx: {
    valued: new Set(["-p", "--package", "--registry"]),
    packages: new Set(["-p", "--package"]),
    flags: new Set([
      "-y",
      "--yes",
      "-q",
      "--quiet",
      "-s",
      "--silent",
      "--no",
      "--no-install",
      "--offline",
      "--prefer-offline",
      "--prefer-online",
      "--ignore-scripts",
    ]),
  },
  uvx: {
    valued: new Set([
      "--from",
      "-w",
      "--with",
      "--with-editable",
      "--with-requirements",
      "-p",
      "--python",
      "-i",
      "--index",
      "--default-index",
      "--index-url",
      "--extra-index-url",
      "--find-links",
      "--index-strategy",
      "--prerelease",
      "--resolution",
      "--refresh-package",
      "--constraints",
    ]),
    packages: new Set(["--from"]),
    flags: new Set([
      "-q",
      "--quiet",
      "-v",
      "--verbose",
      "--offline",
      "--isolated",
      "--refresh",
      "-n",
      "--no-cache",
      "-U",
      "--upgrade",
      "--no-progress",
      "--no-config",
      "--no-index",
      "--native-tls",
      "--system-certs",
      "--managed-python",
      "--no-managed-python",
      "--no-python-downloads",
      "--no-build-isolation",
      "--compile-bytecode",
    ]),
  },
};

/**
 * Both launchers also run what is on the PATH, and each of these runs any code that its arguments
 * name.
 */
const INTERPRETER =
  /^(?:node(?:js)?|deno|bunx?|tsx|ts-node|npm|npx|pnpm|pnpx|yarn|uvx?|pipx?|python[\d.]*w?|pypy[\d.]*|ipython|perl|ruby|php|lua|sh|bash|dash|ash|ksh|zsh|fish|csh|tcsh|pwsh|powershell|cmd|busybox|env|xargs|sudo|nohup|timeout|setsid)$/i;

/**
 * Splits a command line as an operator writes it, with quotes and backslashes as in a shell, but
 * without a shell: operators, variables and comments are refused, wildcards are literal text.
 * @throws Error with a sentence that says what is not allowed and what to do
 */
export function parseServerCommand(text: string): ServerCommand {
  const withoutQuoted = text.replace(/\\[\s\S]|'[^']*'|"(?:\\[\s\S]|[^"\\])*"/g, "");
  if (/['"]/.test(withoutQuoted))
    throw new Error("The command of the MCP server has a quotation mark that is never closed.");
  const words = parse(text, (name: string) => ({ variable: name })).map(readWord);
  const [command, ...args] = words;
  if (command === undefined)
    throw new Error(
      "The command of the MCP server is empty: write for example npx @modelcontextprotocol/server-filesystem /path.",
    );
  readLaunchedServer({ command, args });
  return { command, args };
}

function readWord(entry: string | object): string {
  if (typeof entry === "string") return entry;
  if ("pattern" in entry) return String(entry.pattern);
  if ("comment" in entry)
    throw new Error(
      'The command of the MCP server holds a "#" outside quotation marks: put the word in quotation marks.',
    );
  if ("variable" in entry) {
    throw new Error(
      `The command of the MCP server holds "$${String(entry.variable)}", and there is no shell to replace it: write the value itself, or put the word in single quotation marks.`,
    );
  }
  const operator = "op" in entry ? String(entry.op) : "";
  throw new Error(
    `The command of the MCP server holds "${operator}", and there is no shell to act on it: give one command, and put the word in quotation marks if it is text.`,
  );
}

/**
 * Applies the allow-list: exactly `npx` or `uvx`, known options of theirs, then a package.
 * @throws Error with a sentence that says what is not allowed
 */
export function readLaunchedServer({ command, args }: ServerCommand): LaunchedServer {
  const launcher = Object.hasOwn(LAUNCHERS, command) ? LAUNCHERS[command] : undefined;
  if (launcher === undefined) {
    throw new Error(
      `"${command}" cannot start an MCP server: the command must be npx or uvx, without a path. Other servers can be reached by their URL.`,
    );
  }
  if ([command, ...args].some((word) => word.includes("\0")))
    throw new Error("The command of the MCP server holds a NUL character.");
  const packages: string[] = [];
  let position = 0;
  for (; args[position]?.startsWith("-"); position += 1) {
    const word = args[position] ?? "";
    if (word === "--") {
      position += 1;
      break;
    }
    const [name = "", attached] = word.startsWith("--") ? word.split(/=(.*)/s) : [word];
    if (launcher.valued.has(name)) {
      const value = attached ?? args[++position];
      if (value === undefined) throw new Error(`The option ${name} of ${command} needs a value.`);
      if (launcher.packages.has(name)) packages.push(value);
    } else if (!launcher.flags.has(word)) {
      throw new Error(
        `The option ${name} of ${command} is not allowed for an MCP server. Options of the server itself come after its package.`,
      );
    }
  }
  const target = args[position];
  if (target === undefined)
    throw new Error(
      `The command of the MCP server names no package: write for example ${command} some-mcp-server.`,
    );
  checkTarget(target, packages.length > 0);
  return { packages, target, args: args.slice(position + 1) };
}

function checkTarget(target: string, isExecutable: boolean): void {
  if (target === "" || target.startsWith("-"))
    throw new Error(`"${target}" is not the package of an MCP server.`);
  if (isExecutable && /[/\\\s]/.test(target))
    throw new Error(`"${target}" must be the plain name of an executable of the package.`);
  const name = target.replace(/(?<=.)@.*$/s, "").replace(/\.(?:exe|cmd|bat|ps1)$/i, "");
  const base = /[^/\\]*$/.exec(name)?.[0] ?? name;
  if (INTERPRETER.test(base) && !name.startsWith("@")) {
    throw new Error(
      `"${target}" runs any code that it is given, so it cannot be started as an MCP server: name the package of a server.`,
    );
  }
}

/**
 * The server as messages and lists show it: without its arguments, which often hold addresses and
 * passwords.
 */
export function labelServer(server: ServerCommand): string {
  const { packages, target } = readLaunchedServer(server);
  const name =
    packages.length > 0 && !packages.includes(target) ? `${packages.join(" ")} ${target}` : target;
  return `${server.command} ${name.replace(/\/\/[^/\s]*@/g, "//")}`;
}

/**
 * The id under which the sidecar knows a server: SHA-256 of exactly its definition, in hexadecimal.
 */
export async function identifyServer({
  command,
  args,
  env,
  owner,
}: ServerDefinition): Promise<string> {
  const variables = Object.entries(env).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const digest = await crypto.subtle.digest(
    "SHA-256",
    new TextEncoder().encode(JSON.stringify([owner, command, args, variables])),
  );
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
