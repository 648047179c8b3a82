/**
 * The end of CI's output: `N passed, N failed`, over all runs of Vitest. Ends with 1 where a run
 * failed.
 *
 *     node scripts/count-tests.ts <exit code> <JSON report> [<exit code> <JSON report> …]
 */
import { existsSync, readFileSync } from "node:fs";

/** What is read of Vitest's JSON report. */
interface Report {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  testResults: { status: string; assertionResults: unknown[] }[];
}

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

/** A run that failed has a failure, even where no test could say so. */
function countRun(exitCode: string, path: string): Count {
  if (!existsSync(path)) return { passed: 0, failed: 1, skipped: 0 };
  const report = JSON.parse(readFileSync(path, "utf8")) as Report;
  const broken = report.testResults.filter(
    ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
  );
  const failed = report.numFailedTests + broken.length;
  const isUnexplained = failed === 0 && (exitCode !== "0" || report.numPassedTests === 0);
  return {
    passed: report.numPassedTests,
    failed: failed + (isUnexplained ? 1 : 0),
    skipped: report.numPendingTests,
  };
}

const runs = process.argv.slice(2);
const counts: Count[] = [];
for (let index = 0; index + 1 < runs.length; index += 2)
  counts.push(countRun(runs[index] ?? "", runs[index + 1] ?? ""));
const sum = (field: keyof Count) => counts.reduce((total, count) => total + count[field], 0);
if (sum("skipped") > 0) console.log(`Tests were skipped: ${sum("skipped")}`);
console.log(`${sum("passed")} passed, ${sum("failed")} failed`);
process.exitCode = sum("failed") > 0 ? 1 : 0;
