import { defineConfig } from "vitest/config";

/** The same contract, on each place where the proxy runs. */
const contract = (name: string) => ({
  extends: true as const,
  test: {
    name,
    include: ["test/contract/**/*.test.ts"],
    globalSetup: ["test/helpers/start-target.ts"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});

/** A file for the figures, where CI names one. */
const report = process.env["TEST_REPORT"];

export default defineConfig({
  test: {
    reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
    maxWorkers: 2,
    setupFiles: ["test/helpers/fail-on-console-error.ts"],
    coverage: { provider: "v8", include: ["src/**", "workers/**", "mcp-sidecar/**"] },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "sidecar",
          include: ["test/sidecar/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "faults",
          include: ["test/faults/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      contract("node-pglite"),
      contract("node-postgres"),
      contract("workerd"),
    ],
  },
});
