/** WebSockets on workerd whose clients vanish: the runtime must not take the Worker for hung. */
import { afterAll, expect, it } from "vitest";
import { adminCall } from "../helpers/own-proxy.ts";
import { startPostgres } from "../helpers/postgres-server.ts";
import { message, says } from "../helpers/responses-upstream.ts";
import { openSocket } from "../helpers/socket-client.ts";
import { startWorkerProcess, type Stop } from "../helpers/start-target.ts";
import { startUpstream, type Answer } from "../helpers/upstream.ts";

const stops: Stop[] = [];
afterAll(async () => {
  for (const stop of stops.toReversed()) await stop();
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Begins, and does not end. */
const goesOn: Answer = async (request, response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(": a comment\n\n");
  await request.aborted;
};

it("a client that vanishes, idle or not, is no Worker that hangs", async () => {
  const postgres = await startPostgres();
  stops.push(postgres.stop);
  const worker = await startWorkerProcess(await postgres.createDatabase(), stops, {});
  const url = worker.captured;
  const upstream = await startUpstream(says([message("Hello.")]), goesOn);
  const fields = { name: "socket", openaiBaseUrl: upstream.url };
  const { key } = await adminCall<{ key: string }>(url, "/api-keys", fields);
  const idle = await openSocket(key, { url });
  idle.create({ input: "hi" });
  await idle.answer();
  const busy = await openSocket(key, { url });
  busy.create({ input: "hi" });
  await expect.poll(() => upstream.requests.length).toBe(2);
  // The idle one's connections to the database are closed by then.
  await pause(500);
  idle.ws.terminate();
  busy.ws.terminate();
  await upstream.requests[1]?.aborted;
  await pause(500);
  // It does log "Network connection lost", which nobody can keep from it.
  expect(worker.output.filter((line) => line.includes("hung"))).toEqual([]);
  const last = await openSocket(key, { url });
  last.ws.close();
  expect((await last.closed).code).toBe(1005);
});
