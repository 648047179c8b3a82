/** A proxy of a test's own, to be ended, killed and started again. */
import { constants, cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, inject, onTestFinished } from "vitest";
import { ADMIN_PASSWORD, startNodeProxy, type StartedProcess } from "./start-target.ts";

const JSON_TYPE = { "content-type": "application/json" };

async function sessionAt(url: string): Promise<{ authorization: string }> {
  const signedIn = await fetch(`${url}/api/admin/login`, {
    method: "POST",
    headers: JSON_TYPE,
    body: JSON.stringify({ password: ADMIN_PASSWORD }),
  });
  const { token } = (await signedIn.json()) as { token: string };
  return { authorization: `Bearer ${token}` };
}

/** Calls the admin API of a proxy. */
export async function adminCall<T>(
  url: string,
  path: string,
  json?: unknown,
  method = "POST",
): Promise<T> {
  const init = json === undefined ? {} : { method, body: JSON.stringify(json) };
  const answer = await fetch(`${url}/api/admin${path}`, {
    ...init,
    headers: { ...JSON_TYPE, ...(await sessionAt(url)) },
  });
  expect(answer.ok, `${path}: ${answer.status}`).toBe(true);
  return (await answer.json()) as T;
}

/** `/health` with its parts, which are the operator's to see. */
export async function healthAt(url: string): Promise<unknown> {
  return (await fetch(`${url}/health`, { headers: await sessionAt(url) })).json();
}

/** Makes a data directory, with an empty database where the vitest project has a template. */
export function makeDataDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "proxy-own-"));
  const template = inject("embeddedTemplate");
  const mode = constants.COPYFILE_FICLONE;
  if (template !== undefined)
    cpSync(template, join(path, "postgres"), { recursive: true, mode, preserveTimestamps: true });
  return path;
}

/** Starts proxies on one data directory, which is removed when the test has finished. */
export function dataDirectory(): {
  path: string;
  start(env?: Record<string, string>): Promise<StartedProcess>;
} {
  const path = makeDataDirectory();
  const started: StartedProcess[] = [];
  onTestFinished(async () => {
    for (const proxy of started) await proxy.stop("SIGKILL");
    rmSync(path, { recursive: true, force: true });
  });
  return {
    path,
    start: async (env = {}) => {
      const proxy = await startNodeProxy({ DATA_DIR: path, ...env });
      started.push(proxy);
      return proxy;
    },
  };
}

/** Asks for a chat completion with plain fetch. */
export function chat(url: string, key: string, content = "hello"): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "gpt-test", messages: [{ role: "user", content }] }),
  });
}
