/**
 * `npm run test:soak`: the attacks at their full length, with a report of what each took.
 *
 *     npm run test:soak [-- <file> …]
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What is read of Vitest's JSON report. */
interface Report {
  testResults: { name: string; assertionResults: Assertion[] }[];
}

interface Assertion {
  fullName: string;
  status: string;
  /** In milliseconds. */
  duration?: number | null;
}

function line({ fullName, status, duration }: Assertion): string {
  const seconds = ((duration ?? 0) / 1_000).toFixed(1);
  return `${status.padEnd(7)} ${seconds.padStart(8)} s  ${fullName}`;
}

const directory = mkdtempSync(join(tmpdir(), "soak-"));
const outputFile = join(directory, "report.json");
const files = process.argv.slice(2);
const run = spawnSync("vitest", ["run", "--mode", "soak", ...files], {
  stdio: "inherit",
  env: { ...process.env, SOAK: "1", TEST_REPORT: outputFile },
});
const report = JSON.parse(readFileSync(outputFile, "utf8")) as Report;
rmSync(directory, { recursive: true });
for (const { assertionResults } of report.testResults)
  for (const assertion of assertionResults) console.log(line(assertion));
process.exitCode = run.status ?? 1;
