import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { openCgroups } from "../../mcp-sidecar/cgroup.ts";
import { readProcesses } from "../../mcp-sidecar/processes.ts";
import { callMcpTool } from "../../src/tools/mcp/mcp-client.ts";
import { dataDirectory } from "../helpers/own-proxy.ts";
import { ADMIN_PASSWORD } from "../helpers/settings.ts";
import { command, platformWith } from "../sidecar/mcp-platform.ts";
import { processesWith, runSidecar, until, type RunningSidecar } from "../sidecar/run-sidecar.ts";

/** What an MCP server that does as it is told says of it. */
async function act(
  sidecar: RunningSidecar,
  toolName: string,
  args: Record<string, unknown> = {},
  owner = "",
  server = "npx acting-server",
): Promise<string> {
  const result = await callMcpTool(
    platformWith(() => Promise.resolve(sidecar)),
    {
      target: command(server, {}, owner),
      toolName,
      args,
      signal: new AbortController().signal,
      timeoutMs: 20_000,
    },
  );
  return result.text;
}

async function started(env: Record<string, string> = {}, uid?: number): Promise<RunningSidecar> {
  // As the image has it: root without most of what makes it root.
  const capabilities =
    env["MCP_SIDECAR_USERS"] === undefined ? undefined : "+setuid,+setgid,+kill,+chown";
  const sidecar = await runSidecar(env, { uid, capabilities });
  onTestFinished(() => sidecar.end("SIGKILL"));
  // Where packages are, others may look.
  if (env["MCP_SIDECAR_USERS"] !== undefined) chmodSync(sidecar.cwd, 0o711);
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

/** A sidecar whose servers are users of their own, and a home for them. */
async function withUsers(limits: Record<string, string> = {}, home = makeHome()) {
  return started({ MCP_SIDECAR_USERS: "20000-20002", HOME: home, ...limits });
}

function makeHome(): string {
  const home = mkdtempSync(join(tmpdir(), "sidecar-home-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  return home;
}

/** Whose sidecar: root's may make control groups where they are mounted, any other's may not. */
interface Whose {
  whose: string;
  uid: number | undefined;
  env?: () => Record<string, string>;
  escapes: ((line: string) => string)[];
}

const USERS: Whose[] = [
  { whose: "this user", uid: undefined, escapes: Object.values(ESCAPES) },
  ...(isRoot
    ? [
        { whose: "nobody", uid: 65_534, escapes: Object.values(ESCAPES) },
        {
          whose: "a user of its own",
          uid: undefined,
          env: () => ({ MCP_SIDECAR_USERS: "20000-20009", HOME: makeHome() }),
          escapes: [...Object.values(ESCAPES), EVERYTHING],
        },
      ]
    : []),
  ...(openCgroups() === null
    ? []
    : [{ whose: "who may make control groups", uid: undefined, escapes: [EVERYTHING] }]),
];

/** How a server may come to its end. */
type End = (sidecar: RunningSidecar, again: () => Promise<unknown>) => Promise<unknown>;

const ENDS: Record<string, End> = {
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
  "kill of the sidecar": async (sidecar, again) => {
    await sidecar.end("SIGKILL");
    await again();
  },
  "idle stop": () => Promise.resolve(),
};

const CASES = Object.keys(ENDS).flatMap((name) => USERS.map((user) => ({ name, ...user })));

it.each(CASES)(
  "after $name, nothing is left that a server of $whose started",
  async ({ name, uid, env = () => ({}), escapes }) => {
    const limits: Record<string, string> =
      name === "idle stop" ? { MCP_SIDECAR_IDLE_STOP_MS: "700" } : {};
    const variables = { ...limits, ...env() };
    const sidecar = await started(variables, uid);
    const again = () => started({ ...variables, MCP_SIDECAR_STATE_DIR: sidecar.stateDir }, uid);
    const marks: string[] = [];
    for (const escape of escapes) {
      const { line, mark } = sleeper();
      marks.push(mark);
      await act(sidecar, "detach", { script: escape(line) });
    }
    const isLeft = () => marks.filter((mark) => processesWith(mark).length > 0);
    await until("all run", () => isLeft().length === marks.length);
    await ENDS[name]?.(sidecar, again);
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
  const result = await callMcpTool(
    platformWith(() => Promise.resolve(sidecar)),
    {
      target: command("npx acting-server", { HTTP_PROXY, UV_INDEX_ONE_PASSWORD }),
      toolName: "run",
      // By their length: what a result says of a secret is masked.
      args: { script: "echo ${#HTTP_PROXY} ${#UV_INDEX_ONE_PASSWORD}" },
      signal: new AbortController().signal,
      timeoutMs: 20_000,
    },
  );
  expect(result.text).toBe(`${HTTP_PROXY.length} ${UV_INDEX_ONE_PASSWORD.length}\n`);
});

interface Who {
  uid: number;
  gid: number;
  groups: number[];
}

const who = async (...args: [RunningSidecar, string?, string?]) => {
  const [sidecar, server, owner] = args;
  return JSON.parse(await act(sidecar, "who", {}, owner, server)) as Who;
};

// Who may change its user is root alone: elsewhere the variable is an error, as the next test says.
it.runIf(isRoot)(
  "each server is a user of its own, who reads nothing of the sidecar's",
  async () => {
    const home = makeHome();
    const sidecar = await withUsers({}, home);
    const first = await who(sidecar);
    expect(first.uid).toBeGreaterThanOrEqual(20_000);
    expect(first).toMatchObject({ gid: first.uid, groups: [first.uid] });
    expect(await who(sidecar, "npx acting-server other")).toMatchObject({ uid: first.uid + 1 });
    expect(await who(sidecar, "npx acting-server", "another key")).toEqual(first);
    const secrets = [
      `/proc/${sidecar.child.pid}/environ`,
      `${sidecar.stateDir}/${readdirSync(sidecar.stateDir).find((name) => name.endsWith(".json"))}`,
      `${home}/mcp-servers`,
    ];
    for (const path of secrets)
      expect(await act(sidecar, "run", { script: `cat ${path} ${path}/* || ls ${path}/` })).toBe(
        "(no content)",
      );
    const kept =
      "echo kept > $HOME/file; cat $HOME/file; echo x > file; mkdir -m 700 data; cat file";
    expect(await act(sidecar, "run", { script: kept })).toBe("kept\nx\n");
    const where = await act(sidecar, "where");
    await sidecar.end();
    expect(existsSync(where)).toBe(false);
    const again = await withUsers({}, home);
    expect(await act(again, "run", { script: "cat $HOME/file; id -u" })).toBe(
      `kept\n${first.uid}\n`,
    );
    const health = (await (await again.request("/health")).json()) as Record<string, unknown>;
    expect(health).toMatchObject({ hasUsers: true });
  },
);

it.runIf(isRoot)(
  "a server of which another key's runs is ended alone, with what it started",
  async () => {
    const sidecar = await withUsers();
    await act(sidecar, "where", {}, "staying");
    const { line, mark } = sleeper();
    await act(sidecar, "detach", { script: `(setsid ${line} &) &` }, "going");
    const [going, staying] = (await sidecar.servers()).toSorted((a) =>
      a["owner"] === "going" ? -1 : 1,
    );
    await until("it runs", () => processesWith(mark).length === 1);
    process.kill(Number(going?.["pid"]), "SIGKILL");
    await expect.poll(() => processesWith(mark), { timeout: 5_000 }).toEqual([]);
    const left = await sidecar.servers();
    expect(left.find(({ owner }) => owner === "staying")).toMatchObject({
      pid: staying?.["pid"],
      state: "running",
    });
  },
);

it.each(["20000", "0-5", "9-3", "a-b", "1-99999999999"])(
  "a range of users that is none is refused: %s",
  async (range) => {
    await expect(runSidecar({ MCP_SIDECAR_USERS: range })).rejects.toThrow(/MCP_SIDECAR_USERS is/);
  },
);

it("what the proxy and its sidecar were started with tells no secret", async () => {
  const secrets = {
    JWT_SECRET: "a-secret-of-this-test-for-tokens-1",
    ADMIN_PASSWORD,
    OPENAI_API_KEY: "sk-a-secret-of-this-test-2",
    ENCRYPTION_KEY: "a-secret-of-this-test-for-columns-3",
  };
  const proxy = await dataDirectory().start({ ...secrets, MCP_SIDECAR_USERS: "" });
  const isSidecar = ({ pid, parent }: { pid: number; parent: number }) =>
    parent === proxy.child.pid && processesWith("mcp-sidecar/main.ts").includes(pid);
  const pids = readProcesses()
    .filter(isSidecar)
    .map(({ pid }) => pid);
  expect(pids).toHaveLength(1);
  for (const pid of [proxy.child.pid, ...pids]) {
    const environment = readFileSync(`/proc/${pid}/environ`, "latin1");
    expect(environment).toContain("PATH=");
    for (const secret of Object.values(secrets)) expect(environment).not.toContain(secret);
  }
});
