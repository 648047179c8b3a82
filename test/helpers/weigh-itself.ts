/**
 * Loaded into a proxy under test before its own code (`node --import`): tells a test how long its
 * main thread was held, and what it has in memory. CPU time is told and not the clock's, so that
 * what else runs on the machine does not count.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isMainThread } from "node:worker_threads";

const EVERY_MS = 2;

/** Milliseconds of CPU time that this thread has taken. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** What the main thread holds, in bytes, when what it does not need any more has gone. */
function held(): { heapUsed: number; external: number } {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return { heapUsed, external };
}

function weighItself(): void {
  let longest = 0;
  let last = cpuMs();
  setInterval(() => {
    const now = cpuMs();
    longest = Math.max(longest, now - last);
    last = now;
  }, EVERY_MS).unref();
  const server = createServer((request, response) => {
    const longestHoldMs = longest;
    const told = request.url === "/held" ? held() : { longestHoldMs };
    response.end(JSON.stringify(told));
    last = cpuMs();
    longest = 0;
  });
  server.listen(0, "127.0.0.1", () => {
    console.log(`Weighs itself at http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  server.unref();
}

// Its threads load this too, and so does each process that it starts.
if (isMainThread && (process.argv[1] ?? "").endsWith("src/node/main.ts")) weighItself();
