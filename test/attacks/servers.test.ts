import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { openCgroups } from "../../mcp-sidecar/cgroup.ts";
import { callMcpTool } from "../../src/tools/mcp/mcp-client.ts";
import { command, platformWith } from "../sidecar/mcp-platform.ts";
import { processesWith, runSidecar, until, type RunningSidecar } from "../sidecar/run-sidecar.ts";

/** What an MCP server that does as it is told says of it. */
async function act(
  sidecar: RunningSidecar,
  toolName: string,
  args: Record<string, unknown> = {},
  owner = "",
): Promise<string> {
  const result = await callMcpTool(
    platformWith(() => Promise.resolve(sidecar)),
    {
      target: command("npx acting-server", {}, owner),
      toolName,
      args,
      signal: new AbortController().signal,
      timeoutMs: 20_000,
    },
  );
  return result.text;
}

async function started(env: Record<string, string> = {}, uid?: number): Promise<RunningSidecar> {
  const sidecar = await runSidecar(env, { uid });
  onTestFinished(() => sidecar.end("SIGKILL"));
  return sidecar;
}

it("a server sees nothing of the proxy's directory, and leaves nothing there", async () => {
  const sidecar = await started();
  writeFileSync(join(sidecar.cwd, ".env"), "STOLEN=from the proxy's directory\n");
  const before = readdirSync(sidecar.cwd);
  expect(await act(sidecar, "environment")).not.toContain("STOLEN");
  const where = await act(sidecar, "where");
  expect(where).not.toBe(sidecar.cwd);
  expect(await act(sidecar, "run", { script: "ls -A; stat -c %a ." })).toBe("700\n");
  await act(sidecar, "run", { script: "mkdir data && touch data/memory.json" });
  expect(readdirSync(sidecar.cwd)).toEqual(before);
  expect(await act(sidecar, "where", {}, "another key")).not.toBe(where);
  await sidecar.end();
  expect(existsSync(where)).toBe(false);
});

it("what a killed sidecar left of a server's directory goes at the next start", async () => {
  const sidecar = await started();
  const where = await act(sidecar, "where");
  await act(sidecar, "run", { script: "touch left-behind" });
  await sidecar.end("SIGKILL");
  expect(existsSync(where)).toBe(true);
  await started({ MCP_SIDECAR_STATE_DIR: sidecar.stateDir });
  expect(existsSync(where)).toBe(false);
});

/** A command line that is found again among all processes. */
function sleeper(): { line: string; mark: string } {
  const mark = `86${Math.floor(Math.random() * 1e9)}`;
  return { line: `sleep ${mark}`, mark };
}

/** Ways to get away from one's parent. */
const ESCAPES: Record<string, (line: string) => string> = {
  "a session of its own": (line) => `setsid ${line} &`,
  "two forks": (line) => `(setsid ${line} &) &`,
  "without its environment": (line) => `setsid env -i ${line} &`,
  "without environment and parent": (line) => `(setsid env -i ${line} > /dev/null 2>&1 &) &`,
  "from another directory": (line) => `cd /; (setsid ${line} > /dev/null 2>&1 &) &`,
};
/** What only a control group holds: no parent, environment or directory that tells whose it is. */
const EVERYTHING = (line: string) => `cd /; (setsid env -i ${line} > /dev/null 2>&1 &) &`;

const isRoot = process.getuid?.() === 0;
/** Whose sidecar: root's may make control groups where they are mounted, any other's may not. */
const USERS: { whose: string; uid: number | undefined; escapes: ((line: string) => string)[] }[] = [
  { whose: "this user", uid: undefined, escapes: Object.values(ESCAPES) },
  ...(isRoot ? [{ whose: "nobody", uid: 65_534, escapes: Object.values(ESCAPES) }] : []),
  ...(openCgroups() === null
    ? []
    : [{ whose: "who may make control groups", uid: undefined, escapes: [EVERYTHING] }]),
];

/** How a server may come to its end. */
const ENDS: Record<string, (sidecar: RunningSidecar, uid?: number) => Promise<unknown>> = {
  restart: async (sidecar) => {
    const [server] = await sidecar.servers();
    const path = `/servers/${String(server?.["id"])}/restart`;
    return sidecar.request(path, { method: "POST" });
  },
  "kill of the server": async (sidecar) => {
    const [server] = await sidecar.servers();
    process.kill(Number(server?.["pid"]), "SIGKILL");
  },
  "end of the sidecar": (sidecar) => sidecar.end(),
  "kill of the sidecar": async (sidecar, uid) => {
    await sidecar.end("SIGKILL");
    await started({ MCP_SIDECAR_STATE_DIR: sidecar.stateDir }, uid);
  },
  "idle stop": () => Promise.resolve(),
};

const CASES = Object.keys(ENDS).flatMap((name) => USERS.map((user) => ({ name, ...user })));

it.each(CASES)(
  "after $name, nothing is left that a server of $whose started",
  async ({ name, uid, escapes }) => {
    const limits: Record<string, string> =
      name === "idle stop" ? { MCP_SIDECAR_IDLE_STOP_MS: "700" } : {};
    const sidecar = await started(limits, uid);
    const marks: string[] = [];
    for (const escape of escapes) {
      const { line, mark } = sleeper();
      marks.push(mark);
      await act(sidecar, "detach", { script: escape(line) });
    }
    const isLeft = () => marks.filter((mark) => processesWith(mark).length > 0);
    await until("all run", () => isLeft().length === marks.length);
    await ENDS[name]?.(sidecar, uid);
    await expect.poll(isLeft, { timeout: 6_000 }).toEqual([]);
  },
);

/** Places of the environment where operators have credentials for proxies and registries. */
const CREDENTIALS = {
  HTTP_PROXY: "http://canary-user:canary-1@127.0.0.1:9",
  https_proxy: "canary-user:canary-2@127.0.0.1:9",
  PIP_INDEX_URL: "https://canary-3@packages.example/simple/?key=canary-4#canary-5",
  UV_DEFAULT_INDEX: "https://canary-user:canary/6@packages.example/simple",
  UV_INDEX: "one=https://canary-user:canary-7@a.example/ two=https://:canary-8@b.example/",
  UV_INDEX_ONE_USERNAME: "canary-user",
  UV_INDEX_ONE_PASSWORD: "canary-9",
  UV_HTTP_BASIC_AUTH: "canary-10",
  UV_PUBLISH_TOKEN: "canary-11",
  UV_GITHUB_TOKEN: "canary-12",
  NPM_TOKEN: "canary-13",
  NODE_AUTH_TOKEN: "canary-14",
  npm_config_registry: "https://canary-user:canary-15@registry.example/npm/",
  "npm_config_//registry.example/:_authToken": "canary-16",
  "npm_config_//registry.example/:username": "canary-user",
  "npm_config_//registry.example/:keyfile": "/canary-17",
  npm_config__auth: "canary-18",
  npm_config_https_proxy: "http://canary-user:canary@19@127.0.0.1:9/",
  npm_config_email: "canary-20@example.com",
};

/** What only looks like a credential. */
const HARMLESS = {
  UV_FIND_LINKS: "file:///opt/wheels@1/a /opt//b@2/c",
  npm_config_cache: "/var//cache@1/npm",
  "npm_config_@scope:registry": "https://registry.example:8080/@scope/all",
};

it("a server inherits no credential of proxies and registries, but their addresses", async () => {
  const sidecar = await started({ ...CREDENTIALS, ...HARMLESS });
  const seen = JSON.parse(await act(sidecar, "environment")) as Record<string, string>;
  expect(JSON.stringify(seen)).not.toContain("canary");
  expect(seen).toMatchObject({
    HTTP_PROXY: "http://127.0.0.1:9",
    https_proxy: "127.0.0.1:9",
    PIP_INDEX_URL: "https://packages.example/simple/",
    UV_DEFAULT_INDEX: "https://packages.example/simple",
    UV_INDEX: "one=https://a.example/ two=https://b.example/",
    npm_config_registry: "https://registry.example/npm/",
    npm_config_https_proxy: "http://127.0.0.1:9/",
    ...HARMLESS,
  });
});

it("a server gets the credentials that its tool declares", async () => {
  const sidecar = await started(CREDENTIALS);
  const { HTTP_PROXY, UV_INDEX_ONE_PASSWORD } = CREDENTIALS;
  const declared = { HTTP_PROXY, UV_INDEX_ONE_PASSWORD };
  const result = await callMcpTool(
    platformWith(() => Promise.resolve(sidecar)),
    {
      target: command("npx acting-server", declared),
      toolName: "environment",
      args: {},
      signal: new AbortController().signal,
      timeoutMs: 20_000,
    },
  );
  expect(JSON.parse(result.text)).toMatchObject(declared);
});
