/**
 * What it costs to seal a line of the spool: `node bench/seal-line.ts`. A turn takes about 1000 µs
 * of the process's CPU time.
 */
import { createLineSeal } from "../src/node/line-seal.ts";

const RUNS = 5000;
const SIZES = [1024, 4096, 16_384, 65_536];

const { seal, open } = createLineSeal("a secret for measuring");

/** Microseconds for one run. */
function measure(work: () => unknown): string {
  for (let run = 0; run < RUNS; run++) work();
  const before = process.cpuUsage();
  for (let run = 0; run < RUNS; run++) work();
  const { user, system } = process.cpuUsage(before);
  return `${((user + system) / RUNS).toFixed(1)} µs`;
}

for (const size of SIZES) {
  const text = JSON.stringify({ content: "x".repeat(size - 14) });
  const line = seal(text);
  console.log(
    `${size} bytes: seal ${measure(() => seal(text))}, open ${measure(() => open(line))}`,
  );
}
