import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A child process whose output lines a test can wait for. */
export interface RunningProgram {
  process: ChildProcess;
  lines: string[];
  /** Resolves once the output matches, or the process has ended. */
  until(condition: (lines: string[]) => boolean): Promise<void>;
  /** Kills it as a crash would, and resolves when it is gone. */
  kill(): Promise<void>;
}

/** Runs a TypeScript file of this directory, or any path, with Node. */
export function runProgram(
  file: string,
  parameters: string[],
  env: NodeJS.ProcessEnv = process.env,
): RunningProgram {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL(file, import.meta.url)), ...parameters],
    {
      stdio: ["ignore", "pipe", "pipe"],
      env,
    },
  );
  const lines: string[] = [];
  let rest = "";
  const take = (bytes: Buffer) => {
    const parts = (rest + bytes.toString()).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
  };
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  const ended = new Promise<void>((done) => child.once("close", () => done()));
  return {
    process: child,
    lines,
    until(condition) {
      const met = new Promise<void>((done) => {
        const check = () => condition(lines) && done();
        child.stdout.on("data", check);
        check();
      });
      return Promise.race([met, ended]);
    },
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
