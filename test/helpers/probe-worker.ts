/**
 * Asks a proxy again and again, in a thread of its own: what the test itself does, with bodies of
 * many megabytes, must not count.
 */
import { parentPort, workerData } from "node:worker_threads";

const { url, key, everyMs } = workerData as { url: string; key: string; everyMs: number };
let longest = 0;
let probes = 0;

/** Anything asks for the longest time since it was asked before, in milliseconds. */
parentPort?.on("message", () => {
  parentPort?.postMessage({ longest, probes });
  longest = 0;
  probes = 0;
});

for (;;) {
  const startedAt = performance.now();
  const answer = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
  await answer.text();
  longest = Math.max(longest, performance.now() - startedAt);
  probes++;
  await new Promise((resolve) => setTimeout(resolve, everyMs));
}
