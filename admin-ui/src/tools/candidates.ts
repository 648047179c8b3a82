/** Tools that were found at servers, as they can be picked. */
import type { FoundTool } from "../api-shapes.ts";
import { nameFor, type AskedServer, type Naming } from "./import-source.ts";

/** A tool that can be picked. */
export interface Candidate {
  id: string;
  server: AskedServer;
  tool: FoundTool;
  /** What it will be called here. */
  name: string;
  /** A tool of this name is stored already. */
  isTaken: boolean;
}

/** The most that a name may have. */
const LONGEST = 64;

/** The name, with a number where an earlier tool of the list has it. */
function freeName(name: string, used: ReadonlySet<string>): string {
  if (!used.has(name)) return name;
  for (let number = 2; ; number++) {
    const other = `${name.slice(0, LONGEST - String(number).length - 1)}_${number}`;
    if (!used.has(other)) return other;
  }
}

/**
 * Every tool of the servers, each under a name of its own.
 * @param taken names of the tools that are stored
 */
export function candidatesOf(
  servers: AskedServer[],
  naming: Naming,
  taken: ReadonlySet<string>,
): Candidate[] {
  const used = new Set<string>();
  return servers.flatMap((server) =>
    (server.tools ?? []).map((tool, index) => {
      const name = freeName(nameFor(naming, tool), used);
      used.add(name);
      return { id: `${server.name} ${index}`, server, tool, name, isTaken: taken.has(name) };
    }),
  );
}

/** Whether a search occurs in what is known of a tool. */
export const isLike = ({ name, tool }: Candidate, search: string): boolean =>
  `${name} ${tool.name} ${tool.description}`.toLowerCase().includes(search.trim().toLowerCase());

/** The picked ids, with these picked or not. */
export function turned(
  before: ReadonlySet<string>,
  ids: string[],
  isPicked: boolean,
): ReadonlySet<string> {
  const after = new Set(before);
  for (const id of ids) {
    if (isPicked) after.add(id);
    else after.delete(id);
  }
  return after;
}
