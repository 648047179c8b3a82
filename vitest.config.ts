import { configDefaults, defineConfig, type TestProjectInlineConfiguration } from "vitest/config";
import {
  contractFiles,
  filesOf,
  TARGETS,
  type Selection,
  type Suite,
  type Target,
} from "./test/contract-targets.ts";

/**
 * Vite's mode: `fast` is `npm test`, `slow` is `npm run test:slow`, `soak` is `npm run test:soak`;
 * else everything everywhere.
 */
const SUITES: Record<string, Suite> = { fast: "fast", slow: "slow", soak: "soak" };

/**
 * How long a test and a hook may take, in milliseconds: ten times what they take on a quiet
 * machine.
 */
const LIMITS_MS = {
  unit: 60_000,
  sidecar: 60_000,
  faults: 120_000,
  attacks: 180_000,
  e2e: 120_000,
  contract: 60_000,
};

/** How long a test of a soak may take, in milliseconds. */
const SOAK_LIMIT_MS = 2 * 3_600_000;

const SETUP = "test/helpers/fail-on-console-error.ts";
const TEMPLATE = "test/helpers/embedded-template.ts";

interface ProjectOptions {
  limitMs: number;
  files: Selection;
  more?: TestProjectInlineConfiguration["test"];
}

function project(
  name: string,
  { limitMs, files, more = {} }: ProjectOptions,
): TestProjectInlineConfiguration {
  const { include, exclude } = files;
  return {
    extends: true,
    test: {
      name,
      include,
      exclude: [...configDefaults.exclude, ...exclude],
      testTimeout: limitMs,
      hookTimeout: limitMs,
      ...more,
    },
  };
}

/** The contract on one target, which is started once for all files. */
function contract(target: Target, suite: Suite | null): TestProjectInlineConfiguration {
  const more =
    target === "in-process"
      ? { isolate: false, setupFiles: [SETUP, "test/helpers/start-in-process.ts"] }
      : { globalSetup: ["test/helpers/start-target.ts"] };
  return project(target, {
    limitMs: LIMITS_MS.contract,
    files: contractFiles(target, suite),
    more,
  });
}

const KINDS = ["unit", "sidecar", "faults", "attacks", "e2e"] as const;

/** These start proxies of their own. */
const WITH_TEMPLATE = new Set<string>(["faults", "attacks", "e2e"]);

/** A file for the figures, where CI names one. */
const report = process.env["TEST_REPORT"];

export default defineConfig(({ mode }) => {
  const suite = SUITES[mode] ?? null;
  const projects = [
    ...KINDS.map((kind) =>
      project(kind, {
        limitMs: suite === "soak" ? SOAK_LIMIT_MS : LIMITS_MS[kind],
        files: filesOf(kind, suite),
        more: WITH_TEMPLATE.has(kind) ? { globalSetup: [TEMPLATE] } : {},
      }),
    ),
    ...TARGETS.map((target) => contract(target, suite)),
  ];
  return {
    test: {
      reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
      // Most tests wait for most of their time: three of them keep two cores busy. Those that only
      // CI runs measure and kill more, and `wrangler dev` has ended beside three (seen 2026-11).
      maxWorkers: suite === "fast" ? 3 : 2,
      // A machine of CI may stall for seconds. What passes at the second try is named in the
      // output.
      retry: report === undefined ? 0 : 1,
      setupFiles: [SETUP],
      // What is waited for comes, however busy the machine is; one second would be a race.
      expect: { poll: { timeout: 15_000, interval: 50 } },
      coverage: { provider: "v8", include: ["src/**", "workers/**", "mcp-sidecar/**"] },
      projects: projects.filter(({ test }) => (test?.include ?? []).length > 0),
    },
  };
});
