import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, expect, it, vi } from "vitest";
import { followConnections } from "../../src/node/open-connections.ts";

afterEach(() => void vi.useRealTimers());

/** Longer than a connection may be unused while a server ends, in milliseconds. */
const LONG_MS = 3300;
const LIMIT_MS = 10_000;

it("a connection that was upgraded is in use, and broken off at the limit", async () => {
  const server = createServer();
  const connections = followConnections(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const accepted: Socket[] = [];
  server.on("connection", (socket: Socket) => accepted.push(socket));
  const clients = [connect(port, "127.0.0.1"), connect(port, "127.0.0.1")];
  for (const client of clients) client.on("error", () => undefined);
  await expect.poll(() => accepted.length).toBe(2);
  const [upgraded, unused] = accepted;
  if (upgraded === undefined || unused === undefined) throw new Error("No connections");
  connections.upgraded(upgraded);
  vi.useFakeTimers({ toFake: ["setInterval", "setTimeout", "performance"] });
  const drained = connections.drain(LIMIT_MS);
  while (vi.getTimerCount() === 0) await nextTurn();
  vi.advanceTimersByTime(LONG_MS);
  expect([upgraded.destroyed, unused.writableEnded]).toEqual([false, true]);
  vi.advanceTimersByTime(LIMIT_MS);
  expect(upgraded.destroyed).toBe(true);
  await drained;
});
