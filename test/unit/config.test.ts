/** The table of variables, what is read by it, and the documents that repeat it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SIDECAR_VARIABLES } from "../../mcp-sidecar/variables.ts";
import {
  COMPOSE_VARIABLES,
  isForWorkers,
  ownSidecarRows,
  renderDevVarsExample,
  renderEnvExample,
  renderMcpServers,
  renderReadme,
} from "../../scripts/render-variables.ts";
import { isAllowedHost } from "../../src/config/allowed-hosts.ts";
import { isLoopback } from "../../src/config/loopback.ts";
import { ConfigError, readConfig, type Environment } from "../../src/config/read-config.ts";
import { showConfig } from "../../src/config/show-config.ts";
import type { Variable } from "../../src/config/variable.ts";
import { withFiles } from "../../src/config/variable.ts";
import { VARIABLES } from "../../src/config/variables.ts";

const read = (name: string) => readFileSync(join(import.meta.dirname, "../..", name), "utf8");
const rows: Variable[] = Object.values(VARIABLES);
const sidecarRows: Variable[] = Object.values(SIDECAR_VARIABLES);
const namesOf = (some: Variable[]) => some.map(({ name }) => name);
const mayBeFile = ({ isSecret, hasFile }: Variable) => isSecret === true || hasFile === true;
/** The names under which a program reads its variables. */
const readNames = (some: Variable[]) => [
  ...namesOf(some),
  ...namesOf(some.filter(mayBeFile)).map((name) => `${name}_FILE`),
];

function faultsOf(env: Environment): string[] {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

describe("a host that reaches this machine only", () => {
  it.each([
    "127.0.0.1",
    "127.8.9.10",
    "::1",
    "[::1]",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "[::ffff:7f00:1]",
    "localhost",
    "LOCALHOST.",
  ])("is %s", (host) => {
    expect(isLoopback(host)).toBe(true);
  });

  it.each([
    "127.attacker.example",
    "127.evil.example",
    "127.0.0.1.example",
    "localhost.example",
    "localhost.127.0.0.1.nip.io",
    "128.0.0.1",
    "0.0.0.0",
    "::",
    "[::]",
    "10.0.0.1",
    "::ffff:10.0.0.1",
    "",
  ])("is not %s", (host) => {
    expect(isLoopback(host)).toBe(false);
  });

  it("is not HOST=127.evil.example, so that the well-known secrets are refused there", () => {
    expect(faultsOf({ HOST: "127.evil.example" })).toHaveLength(2);
    expect(faultsOf({ HOST: "127.0.0.1" })).toEqual([]);
  });
});

describe("the configuration", () => {
  it("names every fault at once, and what each variable takes", () => {
    const faults = faultsOf({
      PORT: "70000",
      OPENAI_BASE_URL: "ftp://upstream.example",
      TOOL_MAX_ROUNDS: "1.5",
      LOG_LEVEL: "loud",
      ALLOWED_HOSTS: ".fine.example,proxy.example:443",
      MCP_ALLOWED_HOSTS: "fine.example,https://proxy.example",
      MCP_SIDECAR_URL: "http://sidecar.example",
    });
    expect(faults).toEqual([
      "OPENAI_BASE_URL is not a URL that starts with http:// or https://.",
      'PORT is "70000": it must be a whole number from 0 to 65535.',
      'ALLOWED_HOSTS has "proxy.example:443", which is no host name: write names without scheme and port, separated by commas.',
      'MCP_ALLOWED_HOSTS has "https://proxy.example", which is no host name: write names without scheme and port, separated by commas.',
      'TOOL_MAX_ROUNDS is "1.5": it must be a whole number from 1 to 100.',
      'LOG_LEVEL is "loud": it must be one of fatal, error, warn, info, debug, trace, silent.',
      "MCP_SIDECAR_URL is set and MCP_SIDECAR_TOKEN is not: the sidecar accepts no request without its token.",
    ]);
  });

  it("takes empty variables for unset ones, as compose files write them", () => {
    const empty = Object.fromEntries(namesOf(rows).map((name) => [name, " "]));
    expect(readConfig(empty)).toEqual(readConfig({}));
  });

  it("makes one URL of the parts of a database's address", () => {
    const { databaseUrl } = readConfig({ DATABASE_HOST: "fd00::7", DATABASE_PASSWORD: "a/b" });
    expect(databaseUrl).toBe("postgres://postgres:a%2Fb@[fd00::7]:5432/openai_proxy");
    expect(readConfig({}).databaseUrl).toBeNull();
  });

  it("reads files for what may be in one, where the variable itself is not set", () => {
    const faults: string[] = [];
    const env = {
      JWT_SECRET_FILE: "/jwt",
      ADMIN_PASSWORD: "given",
      ADMIN_PASSWORD_FILE: "/missing",
      PRICES_FILE: "/prices",
      MODEL_FILE: "/missing",
      OPENAI_API_KEY_FILE: "/missing",
    };
    const readFile = (path: string) => {
      if (path === "/missing") throw new Error("no such file");
      return `${path}\n`;
    };
    expect(withFiles(VARIABLES, env, { readFile, faults })).toEqual({
      JWT_SECRET: "/jwt",
      ADMIN_PASSWORD: "given",
      PRICES: "/prices",
    });
    expect(faults).toEqual(["OPENAI_API_KEY_FILE names a file that cannot be read: no such file"]);
  });
});

describe("secrets that can be guessed", () => {
  const strong = {
    NODE_ENV: "production",
    JWT_SECRET: "vK3-long-random-text-81",
    ADMIN_PASSWORD: "four mild green lamps",
  };

  it.each([
    ["ADMIN_PASSWORD", "short1!", "has 7 characters"],
    ["ADMIN_PASSWORD", "Password1234", "words or numbers that everybody"],
    ["ADMIN_PASSWORD", "p@ssw0rd-2026!", "words or numbers that everybody"],
    ["ADMIN_PASSWORD", "123456789012", "words or numbers that everybody"],
    ["ADMIN_PASSWORD", "aaaabbbbaaaabbbb", "repeats"],
    ["ADMIN_PASSWORD", "correct horse battery staple", "words or numbers that everybody"],
    ["JWT_SECRET", "fifteen-letters", "has 15 characters"],
    ["JWT_SECRET", "change-me-in-production", "words or numbers that everybody"],
    ["JWT_SECRET", "your-256-bit-secret", "words or numbers that everybody"],
    ["JWT_SECRET", "supersecretjwtkey", "words or numbers that everybody"],
    ["JWT_SECRET", strong.ADMIN_PASSWORD, "the same as JWT_SECRET"],
    ["ENCRYPTION_KEY", "key", "has 3 characters"],
    ["ENCRYPTION_KEY", strong.JWT_SECRET, "the same as JWT_SECRET"],
    ["MCP_SIDECAR_TOKEN", "token", "has 5 characters"],
    ["MCP_SIDECAR_TOKEN", strong.ADMIN_PASSWORD, "the same as ADMIN_PASSWORD"],
  ])("%s=%s is refused, with what to do", (name, value, fault) => {
    const faults = faultsOf({ ...strong, [name]: value });
    expect(faults).toEqual([expect.stringMatching(`${fault}.*: (?:set it to|give each) .*\\.$`)]);
    expect(
      faultsOf({ ...strong, NODE_ENV: "development", HOST: "0.0.0.0", [name]: value }),
    ).toEqual(faults);
    const local = readConfig({ ...strong, NODE_ENV: "development", [name]: value });
    expect(local.warnings).toEqual([expect.stringContaining(fault)]);
  });

  it("are refused on workerd by the name that it is reached under", () => {
    const weak = { NODE_ENV: "development", JWT_SECRET: "short" };
    const publicly = () => readConfig(weak, { host: "proxy.example" });
    expect(publicly).toThrow(/JWT_SECRET has 5 characters[\s\S]*ADMIN_PASSWORD has its well-known/);
    expect(readConfig(weak, { host: "localhost" }).warnings).toHaveLength(2);
  });

  it("are not those that nobody guesses", () => {
    expect(faultsOf(strong)).toEqual([]);
    for (const secret of [
      "0f8e2c4b6a1d3957",
      "a secret for tests, long enough",
      "Zm9vYmFyYmF6cXV4MTIz",
      "длинная фраза 2026",
    ])
      expect(faultsOf({ ...strong, JWT_SECRET: secret, ENCRYPTION_KEY: `${secret}x` })).toEqual([]);
  });
});

describe("the names of a Worker", () => {
  it("are those under workers.dev, which nobody can lead elsewhere, and those that are named", () => {
    const env = {
      JWT_SECRET: "vK3-long-random-text-81",
      ADMIN_PASSWORD: "four mild green lamps",
      ALLOWED_HOSTS: "proxy.example",
    };
    const { ownHosts } = readConfig(env, { host: "evil.example" });
    const isOwn = (name: string) => isAllowedHost(ownHosts, name);
    expect(["a.b.workers.dev", "proxy.example", "localhost", "1.2.3.4"].every(isOwn)).toBe(true);
    expect(["evil.example", "workers.dev", "xworkers.dev", "127.0.0.1.example"].some(isOwn)).toBe(
      false,
    );
  });
});

describe("what the operator is shown of the configuration", () => {
  const config = readConfig({
    OPENAI_BASE_URL: "https://user:secret@upstream.example/v1/?token=secret",
    OPENAI_API_KEY: "secret",
    MCP_ALLOWED_HOSTS: "a.example,b.example",
    PRICES: '{"models":{}}',
  });

  it("is every variable that this runtime reads, but for secrets and files", () => {
    const shown = showConfig(config, "node");
    expect(shown).toMatchObject({
      OPENAI_BASE_URL: "https://upstream.example/v1",
      MCP_ALLOWED_HOSTS: "a.example,b.example",
      MCP_ALLOWED_PRIVATE_HOSTS: null,
      MCP_SIDECAR_URL: null,
      PORT: 3000,
      LOG_RETENTION_DAYS: null,
    });
    expect(JSON.stringify(shown)).not.toMatch(/secret|PRICES|JWT|PASSWORD/);
    const missing = rows.filter((row) => !mayBeFile(row) && !row.name.startsWith("DATABASE_"));
    expect(Object.keys(shown)).toEqual(namesOf(missing));
  });

  it("has nothing on workerd of what only Node reads", () => {
    const shown = showConfig(config, "workerd");
    expect(Object.keys(shown)).not.toContain("PORT");
    expect(shown).toHaveProperty("MODEL");
  });
});

/** The names in the `environment` of a service of the compose file, with their values. */
function composeEnvironment(service: string): Record<string, string> {
  const [, part = ""] =
    new RegExp(String.raw`^  ${service}:\n((?:    .*\n|\n)+)`, "m").exec(compose) ?? [];
  const [, environment = ""] = /^    environment:\n((?:      .*\n)+)/m.exec(part) ?? [];
  const lines = [...environment.matchAll(/^ {6}(\w+): (.*)$/gm)];
  return Object.fromEntries(lines.map(([, name = "", value = ""]) => [name, value]));
}

/** The names that a stage of the Dockerfile sets. */
function imageEnvironment(stage: string): string[] {
  const [, part = ""] = read("Dockerfile").split(` AS ${stage}\n`);
  const [, line = ""] = /^ENV (.*)$/m.exec(part) ?? [];
  return line.split(" ").map((pair) => pair.split("=")[0] ?? "");
}

const compose = read("docker-compose.yml");

/** What the stack does not hand on, because it brings the thing itself. */
const NOT_IN_COMPOSE = new Set(["DATABASE_URL", "DATABASE_PORT", "MCP_SIDECAR_STATE_DIR"]);

describe("the documents of the variables", () => {
  it("are as `npm run variables` writes them", () => {
    expect(read(".env.example")).toBe(renderEnvExample());
    expect(read(".dev.vars.example")).toBe(renderDevVarsExample());
    expect(read("README.md")).toBe(renderReadme(read("README.md")));
    expect(read("docs/mcp-servers.md")).toBe(renderMcpServers(read("docs/mcp-servers.md")));
  });

  it("lack no variable", () => {
    const example = read(".env.example");
    for (const name of [...namesOf(rows), ...namesOf(ownSidecarRows()), "BIND_ADDRESS"])
      expect(example).toMatch(new RegExp(`^(?:# )?${name}=`, "m"));
    for (const name of namesOf(rows.filter(isForWorkers)))
      expect(read(".dev.vars.example")).toMatch(new RegExp(`^(?:# )?${name}=`, "m"));
  });

  it("show no secret", () => {
    expect(renderEnvExample()).not.toMatch(/^(?:# )?(?:JWT_SECRET|ADMIN_PASSWORD)=./m);
  });

  it.each([
    ["app", rows],
    ["mcp-sidecar", sidecarRows],
  ])("the compose file's %s gets every variable, and none that is not read", (service, table) => {
    const handed = composeEnvironment(service);
    const set = new Set([...Object.keys(handed), ...imageEnvironment(service), ...NOT_IN_COMPOSE]);
    expect(namesOf(table).filter((name) => !set.has(name))).toEqual([]);
    const known = readNames(table);
    expect(Object.keys(handed).filter((name) => !known.includes(name))).toEqual([]);
  });

  it("the compose file reads nothing of `.env` that the example does not have", () => {
    const asked = [...compose.matchAll(/\$\{(\w+)/g)].map(([, name = ""]) => name);
    const known = namesOf([...rows, ...ownSidecarRows(), ...COMPOSE_VARIABLES]);
    expect(asked.length).toBeGreaterThan(20);
    expect(asked.filter((name) => !known.includes(name))).toEqual([]);
  });

  it("wrangler.toml sets variables of the Worker only, and names its secrets", () => {
    const wrangler = read("wrangler.toml");
    const [, vars = ""] = /^\[vars\]\n((?:\w+ = .*\n)+)/m.exec(wrangler) ?? [];
    const set = [...vars.matchAll(/^(\w+) =/gm)].map(([, name = ""]) => name);
    expect(set).toContain("NODE_ENV");
    const known = namesOf(rows.filter(isForWorkers));
    expect(set.filter((name) => !known.includes(name))).toEqual([]);
    const comment = wrangler
      .split("\n")
      .filter((line) => line.startsWith("#"))
      .join(" ");
    // The parts of a database's address are for the Node server: the Worker has a Hyperdrive.
    const secrets = rows.filter(({ isSecret, name }) => isSecret && name !== "DATABASE_PASSWORD");
    expect(namesOf(secrets).filter((name) => !comment.includes(name))).toEqual([]);
  });
});
