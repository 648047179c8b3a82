import type { Config } from "../src/config/read-config.ts";
import type { Memory } from "../src/memory.ts";
import { messageOf } from "../src/openai/error-message.ts";
import type { PartHealth } from "../src/platform.ts";
import { withinLimit } from "../src/store/within-limit.ts";
import type { WorkerEnvironment } from "./read-environment.ts";
import { waitingInIsolate } from "./records/direct-way.ts";
import { spoolState } from "./records/spool-way.ts";

const LIMIT_MS = 2000;

/** Whether MCP servers that are processes can be started. */
export async function sidecarHealth(config: Config): Promise<PartHealth> {
  if (config.sidecarUrl === null) {
    return {
      status: "unconfigured",
      message: "MCP_SIDECAR_URL is not set: tools that are started by npx or uvx do not work.",
    };
  }
  try {
    const answer = await fetch(`${config.sidecarUrl}/health`, {
      headers: { authorization: `Bearer ${config.sidecarToken}` },
      signal: AbortSignal.timeout(LIMIT_MS),
    });
    return answer.ok
      ? { ...((await answer.json()) as Record<string, unknown>), status: "ok" }
      : { status: "degraded", message: `The sidecar answers with status ${answer.status}.` };
  } catch (error) {
    return { status: "degraded", message: `The sidecar cannot be reached: ${String(error)}` };
  }
}

/** What waits in the Durable Object. */
async function spoolHealth(
  spool: NonNullable<WorkerEnvironment["RECORD_SPOOL"]>,
): Promise<PartHealth> {
  try {
    const { waiting, lastError } = await withinLimit(spoolState(spool), LIMIT_MS);
    if (lastError === null) return { status: "ok", waiting };
    const message =
      "Records wait in the Durable Object until the database is back. Nothing is lost.";
    return { status: "degraded", message, waiting };
  } catch (error) {
    const message = `The Durable Object of records does not answer: ${messageOf(error)}`;
    return { status: "degraded", message };
  }
}

/** Whether finished turns get on record. */
export async function recordsHealth(env: WorkerEnvironment, memory: Memory): Promise<PartHealth> {
  const inIsolate = waitingInIsolate(memory);
  if (inIsolate > 0) {
    const message = `${inIsolate} records wait in the memory of this isolate, and are lost with it.`;
    return { status: "degraded", message, waiting: inIsolate };
  }
  if (env.RECORD_SPOOL !== undefined) return spoolHealth(env.RECORD_SPOOL);
  if (env.RECORD_QUEUE !== undefined) return { status: "ok" };
  const message =
    "RECORD_SPOOL is not bound: a record that waits for the database is lost with its isolate.";
  return { status: "unconfigured", message };
}
