/**
 * What it costs to look for secrets in the record of a turn: `node bench/mask.ts`. The record is
 * that of a turn of 4 KB; the mask knows as many secrets as a proxy is configured with.
 */
import { randomBytes } from "node:crypto";
import { Mask } from "../src/secrets/mask.ts";

const RUNS = 20_000;
const WORDS = "The quick brown fox jumps over the lazy dog, and says that 42 is an answer. ";

const mask = new Mask(
  Array.from({ length: 8 }, () => ({ value: randomBytes(24).toString("base64url") })),
);
const content = WORDS.repeat(25);
const record = {
  request: JSON.stringify({ model: "gpt", messages: [{ role: "user", content }] }),
  produced: [{ message: { role: "assistant", content }, round: 1, hidden: false }],
  rounds: [{ round: 1, status: "completed", usage: { prompt_tokens: 9, completion_tokens: 9 } }],
  toolExecutions: [],
};

/** Microseconds for one run. */
function measure(work: () => unknown): string {
  for (let run = 0; run < RUNS; run++) work();
  const before = process.cpuUsage();
  for (let run = 0; run < RUNS; run++) work();
  const { user, system } = process.cpuUsage(before);
  return `${((user + system) / RUNS).toFixed(1)} µs`;
}

console.log(`record of ${JSON.stringify(record).length} bytes`);
console.log(`look for secrets in it: ${measure(() => mask.json(record))}`);
console.log(`write it as JSON:       ${measure(() => JSON.stringify(record))}`);
