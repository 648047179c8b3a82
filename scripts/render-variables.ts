/**
 * The documents that come from the tables of variables: `.env.example`, `.dev.vars.example` and the
 * tables of README and of `docs/mcp-servers.md`.
 */
import { SIDECAR_VARIABLES } from "../mcp-sidecar/variables.ts";
import type { Variable, Variables } from "../src/config/variable.ts";
import { VARIABLES } from "../src/config/variables.ts";

/** What `docker-compose.yml` reads of `.env`, and no program. */
export const COMPOSE_VARIABLES: Variable[] = [
  {
    name: "BIND_ADDRESS",
    kind: { accepts: "", read: (text) => text },
    default: "127.0.0.1",
    about: "`docker compose` only: the address of this machine on which the port is published",
  },
  {
    name: "BASE_IMAGE",
    kind: { accepts: "", read: (text) => text },
    default: "node:24-bookworm-slim",
    about: "`docker compose` only: what the images are built from (see `scripts/pin-images.ts`)",
  },
  {
    name: "POSTGRES_IMAGE",
    kind: { accepts: "", read: (text) => text },
    default: "postgres:17",
    about: "`docker compose` only: the database's image (see `scripts/pin-images.ts`)",
  },
];

/** Between these lines a document's table stands. */
const MARKS = { start: "<!-- variables -->", end: "<!-- end of variables -->" };

const WIDTH = 100;

/** Words in lines that begin with `# `. */
function comment(words: string): string {
  const lines: string[] = [];
  for (const word of words.replaceAll("`", "").split(" ")) {
    const last = lines.at(-1);
    const isTooLong = last === undefined || `${last} ${word}`.length > WIDTH;
    if (isTooLong) lines.push(`# ${word}`);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join("\n");
}

const rangeOf = ({ kind }: Variable) => (kind.accepts === "" ? "" : ` (${kind.accepts})`);

/** A sentence, with what may stand there and what an unset variable means. */
function sentence(row: Variable): string {
  const otherwise = row.unset === undefined ? "" : `; unset: ${row.unset}`;
  const file = row.hasFile ? `; or in a file: ${row.name}_FILE` : "";
  const text = `${row.about}${rangeOf(row)}${otherwise}${file}.`;
  return text.startsWith("`") ? text : text.charAt(0).toUpperCase() + text.slice(1);
}

/** A secret's default is no example: whoever uncomments it has to write one. */
function shownValue(row: Variable): string {
  return row.example ?? (row.isSecret ? "" : (row.default ?? ""));
}

/**
 * An example file.
 * @param open values of the variables that are not commented out
 */
function exampleFile(header: string, rows: Variable[], open: Record<string, string>): string {
  const parts = rows.map((row) => {
    const value = open[row.name];
    const line = value === undefined ? `# ${row.name}=${shownValue(row)}` : `${row.name}=${value}`;
    return `${comment(sentence(row))}\n${line.trimEnd()}`;
  });
  return `${[comment(header), ...parts].join("\n\n")}\n`;
}

const ENV_HEADER =
  "Every variable of the proxy, from src/config/variables.ts by `npm run variables`. Copy to .env: " +
  "read by `npm start` and by `docker compose`. Everything is optional; an empty value counts as " +
  "unset. `docker compose` makes random secrets; anywhere but in development on a loopback address " +
  "they must be set. Each secret can be in a file instead, which NAME_FILE names.";

const DEV_VARS_HEADER =
  "Values for `npm run dev:worker`, from src/config/variables.ts by `npm run variables`: copy this " +
  "file to `.dev.vars`. The database must have been migrated: `npm run migrate`. MCP tools that are " +
  "started by npx or uvx need a sidecar: MCP_SIDECAR_TOKEN=… node mcp-sidecar/main.ts";

/** Whether the Worker reads a variable. */
export const isForWorkers = ({ runtimes }: Variable) =>
  runtimes === undefined || runtimes.includes("workerd");

const SIDECAR_HEADING =
  "The sidecar's own, with a sidecar that the server starts itself and with `docker compose`.";

/** Those of the sidecar's variables that no variable of the proxy has the name of. */
export function ownSidecarRows(): Variable[] {
  const names = new Set<string>(Object.values(VARIABLES).map(({ name }) => name));
  return Object.values(SIDECAR_VARIABLES).filter(({ name }) => !names.has(name));
}

/** `.env.example`. */
export function renderEnvExample(): string {
  const rows = [...Object.values(VARIABLES), ...COMPOSE_VARIABLES];
  const proxy = exampleFile(ENV_HEADER, rows, { OPENAI_API_KEY: "" });
  return `${proxy}\n${exampleFile(SIDECAR_HEADING, ownSidecarRows(), {})}`;
}

/** `.dev.vars.example`. */
export function renderDevVarsExample(): string {
  const rows = Object.values(VARIABLES).filter(isForWorkers);
  const open = {
    NODE_ENV: "development",
    DATABASE_URL: VARIABLES.databaseUrl.example ?? "",
    OPENAI_API_KEY: "",
  };
  return exampleFile(DEV_VARS_HEADER, rows, open);
}

/** A table as the formatter writes it: columns as wide as their widest cell. */
function table(header: string[], rows: string[][]): string {
  const lines = [header, ...rows];
  const widths = header.map((_, column) =>
    Math.max(...lines.map((cells) => (cells[column] ?? "").length)),
  );
  const line = (cells: string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const rule = widths.map((width) => "-".repeat(width));
  return [line(header), line(rule), ...rows.map(line)].join("\n");
}

function tableRow(row: Variable): string[] {
  const { name, about, unset, default: fallback } = row;
  const where = isForWorkers(row) ? "" : " (Node only)";
  const file = row.hasFile ? `, or a file: \`${name}_FILE\`` : "";
  const secret = row.isSecret ? " (secret)" : "";
  const shown = unset ?? (fallback === null ? "–" : `\`${fallback}\``);
  return [`\`${name}\`${file}${secret}`, `${about}${rangeOf(row)}${where}`, shown];
}

function variableTable(rows: Variables): string {
  return table(["variable", "meaning", "default"], Object.values(rows).map(tableRow));
}

/** A document with its table as it should be. */
function withTable(document: string, rows: Variables): string {
  const start = document.indexOf(MARKS.start) + MARKS.start.length;
  const end = document.indexOf(MARKS.end);
  if (!document.includes(MARKS.start) || end < start)
    throw new Error(`The document lacks ${MARKS.start} or ${MARKS.end}.`);
  return `${document.slice(0, start)}\n\n${variableTable(rows)}\n\n${document.slice(end)}`;
}

/** `README.md`, with the table of the proxy's variables as it should be. */
export const renderReadme = (document: string) => withTable(document, VARIABLES);

/** `docs/mcp-servers.md`, with the table of the sidecar's variables as it should be. */
export const renderMcpServers = (document: string) => withTable(document, SIDECAR_VARIABLES);
