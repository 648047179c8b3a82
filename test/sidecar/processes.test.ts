import { spawn } from "node:child_process";
import { expect, it, onTestFinished } from "vitest";
import { birthOf, readProcesses, readPs } from "../../mcp-sidecar/processes.ts";

/** A process of our own with a mark in its environment. */
function marked(): number {
  const child = spawn("sleep", ["60"], { env: { MARK: "of-this-test" }, detached: true });
  onTestFinished(() => void child.kill());
  return child.pid ?? 0;
}

it.each([
  ["/proc", readProcesses],
  ["ps, as on macOS", readPs],
])("processes are told by %s, with their parents, groups and environments", (_, read) => {
  const pid = marked();
  const found = read().find((each) => each.pid === pid);
  expect(found).toMatchObject({ parent: process.pid, group: pid, session: pid });
  expect(found?.startedAt).toMatch(/\d/);
  expect(found?.carries("MARK=of-this-test")).toBe(true);
  expect(found?.carries("MARK=of-this")).toBe(false);
});

it("a process that is gone has no birth", () => {
  expect(birthOf(process.pid).startedAt).not.toBeNull();
  expect(birthOf(2 ** 22 + 1).startedAt).toBeNull();
});
