/**
 * Makes, once for each vitest project, an empty embedded database: it takes 4 s of CPU time, a copy
 * next to nothing. That the proxy makes one itself is what `node-pglite` and `npm-start` begin with.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { startNodeProxy, type Stop } from "./start-target.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The `postgres` folder of a data directory, to be copied. */
    embeddedTemplate: string | undefined;
  }
}

/** Vitest calls this before the first test of a project. */
export default async function setup(project: TestProject): Promise<Stop> {
  const directory = mkdtempSync(join(tmpdir(), "proxy-template-"));
  const proxy = await startNodeProxy({ DATA_DIR: directory });
  await proxy.stop();
  project.provide("embeddedTemplate", join(directory, "postgres"));
  return async () => rmSync(directory, { recursive: true, force: true });
}
