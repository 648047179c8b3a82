/** Runs the protocol's own conformance suite against the router, or another endpoint. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, request as ask } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { onTestFinished } from "vitest";
import { proxy } from "./proxy.ts";

const SUITE = resolve(
  import.meta.dirname,
  "../../node_modules/@modelcontextprotocol/conformance/dist/index.js",
);

/**
 * The suite has no way to send a header, so that this adds the key to all that it sends, and
 * changes nothing else.
 */
export async function startFront(key: string, endpoint = `${proxy.url}/mcp`): Promise<string> {
  const server = createServer((incoming, outgoing) => {
    const headers = { ...incoming.headers, authorization: `Bearer ${key}` };
    const onward = ask(endpoint, { method: incoming.method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on("error", () => outgoing.destroy());
    outgoing.on("close", () => onward.destroy());
    incoming.pipe(onward);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

interface Check {
  id: string;
  status: string;
  errorMessage?: string;
}

/** Checks by scenario, those that passed among them. */
export type Checked = Map<string, Check[]>;

/** Runs scenarios. @param args of `conformance server` */
export async function runConformance(url: string, args: string[]): Promise<Checked> {
  const directory = mkdtempSync(join(tmpdir(), "proxy-conformance-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  // It exits with 1 for failures: which of them are right is the test's to say.
  await new Promise<void>((done) =>
    execFile(process.execPath, [SUITE, "server", "--url", url, "-o", directory, ...args], () =>
      done(),
    ),
  );
  const checked: Checked = new Map();
  for (const name of readdirSync(directory, { recursive: true }).map(String)) {
    if (!name.endsWith("checks.json")) continue;
    const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT/.exec(name)?.[1] ?? name;
    checked.set(scenario, JSON.parse(readFileSync(join(directory, name), "utf8")) as Check[]);
  }
  return checked;
}

/** Ids of the checks that failed, by scenario. Warnings are about what a server may do. */
export function failuresOf(checked: Checked): Record<string, string[]> {
  const failed = [...checked].map(
    ([scenario, checks]) =>
      [
        scenario,
        [
          ...new Set(checks.filter(({ status }) => status === "FAILURE").map(({ id }) => id)),
        ].toSorted(),
      ] as const,
  );
  return Object.fromEntries(
    failed.filter(([, ids]) => ids.length > 0).toSorted(([a], [b]) => a.localeCompare(b)),
  );
}
