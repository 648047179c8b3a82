/**
 * Which test runs where, and when: the one place that decides it. `vitest.config.ts` reads it by
 * Vite's mode: `fast` (`npm test`), `slow` (`npm run test:slow`), `soak` (`npm run test:soak`),
 * else everything everywhere.
 */

/**
 * Where the contract can be tried. `in-process`: `createApp` in the test's own process, with PGlite
 * in memory. The others are processes as operators run them: Node with its embedded database, Node
 * with PostgreSQL, workerd with PostgreSQL.
 */
export type Target = "in-process" | "node-pglite" | "node-postgres" | "workerd";

/** Every target, the cheapest first. */
export const TARGETS: Target[] = ["in-process", "node-pglite", "node-postgres", "workerd"];

/**
 * When a developer waits for it (`fast`), when CI alone does (`slow`), or when storms rage at their
 * full length (`soak`).
 */
export type Suite = "fast" | "slow" | "soak";

interface Row {
  /** Names of files in `test/contract/`, without `.test.ts`. */
  files: string[];
  fast: Target[];
  slow: Target[];
  soak?: Target[];
  because: string;
}

/** A file is in one row at most. */
export const ROWS: Row[] = [
  {
    files: ["client-openai", "client-ai-sdk", "client-responses"],
    fast: ["in-process"],
    slow: [],
    because: "an SDK reads the same bytes wherever they come from: one target is enough",
  },
  {
    files: ["chat-over-responses-properties", "responses-over-chat-properties"],
    fast: ["in-process"],
    slow: [],
    because: "the core alone: text in, text out; and half a minute on workerd",
  },
  {
    files: ["client-langchain", "mcp-langchain", "mcp-inspector", "mcp-python", "mcp-conformance"],
    fast: [],
    slow: ["node-postgres"],
    because: "as above, and these take seconds to load",
  },
  {
    files: ["mcp-clients"],
    fast: ["in-process"],
    slow: ["workerd"],
    because: "as above; how soon a cancelled call ends is the runtime's, and differs on workerd",
  },
  {
    files: ["chat-tools", "real-parts"],
    fast: ["node-pglite", "workerd"],
    slow: ["node-postgres"],
    because: "real function sandboxes and stdio servers, which each runtime has its own way to",
  },
  {
    files: ["admin-discover", "keys", "tool-media", "tool-trials"],
    fast: ["node-pglite"],
    slow: ["node-postgres", "workerd"],
    because: "takes the sidecar, a process of its own, and little of the runtime",
  },
  {
    files: [
      "admin-live",
      "conversations-joined",
      "key-limits",
      "mcp-cache",
      "record",
      "refusals",
      "responses-input-tools",
      "responses-over-chat-stored",
      "responses-record",
      "responses-return",
      "responses-input",
      "responses-without-ids",
    ],
    fast: ["in-process", "node-postgres", "workerd"],
    slow: ["node-pglite"],
    because: "SQL, and what a process may keep between requests, which workerd must not",
  },
  {
    files: [
      "admin-audit",
      "admin-conversation-filters",
      "admin-conversations",
      "admin-export",
      "admin-key-list",
      "admin-keys",
      "admin-stats",
      "admin-tools",
      "key-rotation",
      "large-records",
      "mcp-drift",
      "token-estimates",
      "responses-foreign",
      "responses-stored",
      "tool-media-memory",
      "unreadable-record",
    ],
    fast: ["in-process", "node-postgres"],
    slow: ["node-pglite", "workerd"],
    because: "SQL: PGlite and PostgreSQL are two servers, and one driver",
  },
  {
    files: [
      "admin-session",
      "admin-settings",
      "allowed-models",
      "allowed-models-spellings",
      "bounds",
      "busy-key",
      "byte-order-mark",
      "chat-streaming",
      "early-answers",
      "headers",
      "loop-cancelled",
      "loop-scenarios",
      "masked-secrets",
      "mcp-http",
      "mcp-keys",
      "mcp-remote-addresses",
      "odd-upstreams",
      "paths",
      "responses-over-chat",
      "responses-socket",
      "responses-tools",
      "round-times",
      "tool-concurrency",
      "tool-events",
      "transparency",
    ],
    fast: ["in-process", "workerd"],
    slow: ["node-postgres"],
    because: "streams, sockets, timers and fetch are the runtime's; in-process is Node with PGlite",
  },
  {
    files: ["cut-answers", "leaving-between-tries", "loop-properties", "mcp-drift-checks"],
    fast: [],
    slow: ["in-process", "workerd"],
    because: "a runtime's, or many random cases: each takes ten seconds and more on every target",
  },
  {
    files: ["hosts", "prototype-names", "upstream-headers"],
    fast: ["in-process"],
    slow: ["workerd"],
    because: "a runtime's, and in-process is Node's own server: some take long on workerd",
  },
  {
    files: ["budget-held", "limits-at-once"],
    fast: ["in-process", "node-postgres", "workerd"],
    slow: ["node-pglite"],
    because: "as below; and where one process does it all, nothing may be given back either",
  },
  {
    files: ["budget-unread", "endpoint-records", "key-limits-use", "refused-requests"],
    fast: ["node-postgres", "workerd"],
    slow: ["node-pglite"],
    because: "what is recorded and counted, and the compression that each runtime has",
  },
  {
    files: ["responses-background", "responses-background-streams"],
    fast: ["in-process", "node-postgres"],
    slow: ["node-pglite"],
    because: "SQL, and a process that goes on when nobody waits for it, which workerd is not",
  },
  {
    files: ["responses-passed-on"],
    fast: ["in-process", "workerd"],
    slow: [],
    because: "Node makes in the background itself what workerd has upstream make",
  },
  {
    files: ["backpressure"],
    fast: ["in-process"],
    slow: ["node-pglite"],
    because: "workerd may not hold up a producer: its runtime kills one that waits",
  },
  {
    files: ["responses-properties", "mcp-remote"],
    fast: ["in-process"],
    slow: ["workerd"],
    because: "as above, and many cases on workerd",
  },
  {
    files: [
      "admin-openapi",
      "billed-units",
      "chat-over-responses",
      "chat-over-responses-odd",
      "chat-over-responses-answers",
      "chat-over-responses-memory",
      "dialect-choice",
      "mcp-stdio",
      "later-rounds",
      "milder-forms",
      "refused-additions",
      "one-document",
      "odd-upstream-arguments",
      "odd-upstream-calls",
      "odd-upstream-errors",
      "odd-upstream-fields",
      "odd-upstream-texts",
      "odd-usage",
      "tool-schemas",
    ],
    fast: ["in-process"],
    slow: ["workerd"],
    because: "the core alone: text in, text out",
  },
];

/** A file that no row names yet: nobody has said what it touches. */
const UNNAMED: Pick<Row, Suite> = { fast: ["node-pglite", "node-postgres", "workerd"], slow: [] };

/** Tests of other kinds that only CI waits for, and why. */
export const SLOW_FILES: Record<string, string> = {
  "test/unit/database/embedded-crash.test.ts": "kills many processes in the midst of a write",
  "test/sidecar/conformance.test.ts": "somebody else's suite",
  "test/sidecar/kill-storm.test.ts": "kills many processes",
  "test/sidecar/latency.test.ts": "measures, which takes a quiet machine",
  "test/sidecar/real-servers.test.ts": "servers of others, in Python too",
  "test/e2e/accessibility.test.ts": "looks at every page in two colours, for half a minute",
  "test/e2e/conversations.test.ts": "a browser that looks at everything that is on record",
  "test/e2e/session.test.ts": "a browser that waits for a sign-in that is slow on purpose",
  "test/e2e/mcp-conversations.test.ts": "a browser beside MCP servers that are processes",
  "test/e2e/mcp-servers.test.ts": "a browser beside MCP servers that are processes",
  "test/e2e/mcp-snippets.test.ts": "a browser beside MCP clients of others",
  "test/e2e/mcp-tools.test.ts": "a browser beside MCP servers that are processes",
  "test/faults/budget-held.test.ts": "waits until the database was read again, and kills proxies",
  "test/faults/client-gone.test.ts": "waits for clients that have gone",
  "test/faults/drain.test.ts": "ends several proxies, and waits for their connections",
  "test/faults/conversations-replicas.test.ts": "several proxies on one database",
  "test/faults/database-away.test.ts": "waits until what is cached is too old",
  "test/faults/endless-tool.test.ts": "measures, which takes a quiet machine",
  "test/faults/example-history.test.ts": "several proxies on one database",
  "test/faults/heartbeat.test.ts": "waits for two beats of a heart, on workerd too",
  "test/faults/killed-at-the-end.test.ts": "kills a proxy, and starts it again",
  "test/faults/locked-database.test.ts": "waits for locks that do not come",
  "test/faults/mcp-drift.test.ts": "several proxies on one database",
  "test/faults/mixed-return.test.ts": "several proxies on one database",
  "test/faults/npm-start.test.ts": "starts by way of npm",
  "test/faults/one-stops-nobody.test.ts": "measures, which takes a quiet machine",
  "test/faults/prices-file.test.ts": "starts a proxy four times",
  "test/faults/replicas.test.ts": "several proxies on one database",
  "test/faults/responses-background.test.ts": "waits until the lease of a killed proxy is over",
  "test/faults/responses-return.test.ts": "several proxies on one database",
  "test/faults/restart.test.ts": "kills a proxy, and starts it again",
  "test/faults/shared-limits.test.ts": "several proxies on one database, which are waited for",
  "test/faults/silent-upstream.test.ts": "waits for time limits, on workerd too",
  "test/faults/transaction-cut.test.ts": "cuts many transactions",
  "test/faults/worker-tls.test.ts": "starts a Worker four times",
};

const EVERYTHING = "test/contract/**/*.test.ts";
/** What takes a fake in the product's platform, or its clock. */
const IN_PROCESS_ONLY = "test/in-process/**/*.test.ts";
const pathOf = (name: string) => `test/contract/${name}.test.ts`;

/** Globs of files, as Vitest takes them. */
export interface Selection {
  include: string[];
  exclude: string[];
}

/** What takes processes beside the proxy's cannot be tried inside one. */
function impossibleOn(target: Target): string[] {
  if (target !== "in-process") return [];
  const rows = ROWS.filter(({ fast, slow }) => !fast.includes(target) && !slow.includes(target));
  return rows.flatMap(({ files }) => files.map(pathOf));
}

/**
 * The files of the contract that run on a target.
 * @param suite null: all of them, for whoever names a target and a file
 */
export function contractFiles(target: Target, suite: Suite | null): Selection {
  const isTheirTime = suite === null || suite === "fast";
  const own = target === "in-process" && isTheirTime ? [IN_PROCESS_ONLY] : [];
  if (suite === null) return { include: [EVERYTHING, ...own], exclude: impossibleOn(target) };
  const isHere = ({ [suite]: targets }: Pick<Row, Suite>) => targets?.includes(target) ?? false;
  const here = ROWS.filter(isHere).flatMap(({ files }) => files.map(pathOf));
  const elsewhere = ROWS.filter((row) => !isHere(row)).flatMap(({ files }) => files.map(pathOf));
  return isHere(UNNAMED)
    ? { include: [EVERYTHING, ...own], exclude: elsewhere }
    : { include: [...here, ...own], exclude: [] };
}

/** The files of another kind of tests, such as `unit`. Attacks are CI's to wait for. */
export function filesOf(kind: string, suite: Suite | null): Selection {
  const everything = `test/${kind}/**/*.test.ts`;
  if (kind === "attacks") return { include: suite === "fast" ? [] : [everything], exclude: [] };
  if (suite === "soak") return { include: [], exclude: [] };
  const slow = Object.keys(SLOW_FILES).filter((path) => path.startsWith(`test/${kind}/`));
  if (suite === "slow") return { include: slow, exclude: [] };
  return { include: [everything], exclude: suite === "fast" ? slow : [] };
}
