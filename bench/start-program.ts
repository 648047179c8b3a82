import { spawn, spawnSync, type StdioOptions } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

/**
 * Which processor a program runs on: `proxy` has one to itself, everything else shares the other.
 */
export type Place = "proxy" | "rest";

/** A program that has said that it is ready. */
export interface StartedProgram {
  pid: number;
  /** Where it listens. */
  url: string;
  /** Sends it a message and resolves to its answer; programs of `bench/` only. */
  ask(message: unknown): Promise<unknown>;
  /** Asks it to end, and makes it end where it does not. */
  stop(): Promise<void>;
}

interface Program {
  /** Relative to the repository's root, with its arguments. */
  command: string[];
  env: Record<string, string>;
  place: Place;
}

const ROOT = join(import.meta.dirname, "..");
const CPUS: Record<Place, string> = { proxy: "1", rest: "0" };
const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 15_000;
const READY = /Listening on (http:\/\/[^\s"]+)/;

function canPin(): boolean {
  return spawnSync("taskset", ["-c", CPUS.proxy, "true"], { stdio: "ignore" }).status === 0;
}

/**
 * Whether programs are pinned to processors; without two of them, or without `taskset`, they are
 * not.
 */
export const isPinned = canPin();

/** Ends the calling program when the one that started it is gone, however that ended. */
export function stopWithParent(): void {
  if (!process.connected) return;
  process.on("disconnect", () => process.exit(0));
}

/**
 * A variable of the machine must not change what is measured: a program gets what it needs to run,
 * and what it is given.
 */
function environment(own: Record<string, string>): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, TMPDIR, ...own };
}

/**
 * Starts a Node program of this repository and waits until it prints where it listens.
 * It is in a process group of its own, so that Ctrl-C reaches it once: as our own `stop`.
 */
export function startProgram({ command, env, place }: Program): Promise<StartedProgram> {
  const [file, args] = isPinned
    ? ["taskset", ["-c", CPUS[place], process.execPath, ...command]]
    : [process.execPath, command];
  const isOurs = command.some((part) => part.startsWith("bench/"));
  const stdio: StdioOptions = ["ignore", "pipe", "pipe", ...(isOurs ? ["ipc" as const] : [])];
  const child = spawn(file, args, { cwd: ROOT, env: environment(env), detached: true, stdio });
  const lines: string[] = [];
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const pid = child.pid ?? 0;
  const failure = () => new Error(`${command.join(" ")} ended:\n${lines.slice(-20).join("\n")}`);
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;

  const stop = async () => {
    if (!hasEnded()) child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_LIMIT_MS);
    await exited;
    clearTimeout(timer);
  };
  const ask = (message: unknown) =>
    new Promise<unknown>((resolve, reject) => {
      if (!isOurs) return reject(new Error(`${command.join(" ")} is not spoken to`));
      const ended = () => reject(failure());
      child.once("exit", ended);
      child.once("message", (answer) => {
        child.off("exit", ended);
        resolve(answer);
      });
      child.send(message as object);
    });

  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill("SIGKILL");
      reject(
        new Error(
          `${command.join(" ")} was not ready within ${START_LIMIT_MS / 1000} s:\n${lines.join("\n")}`,
        ),
      );
    }, START_LIMIT_MS);
    const read = (line: string) => {
      lines.push(line);
      if (lines.length > 200) lines.shift();
      const url = READY.exec(line)?.[1];
      if (url === undefined) return;
      clearTimeout(timer);
      resolve({ pid, url, ask, stop });
    };
    createInterface(child.stdout as NodeJS.ReadableStream).on("line", read);
    createInterface(child.stderr as NodeJS.ReadableStream).on("line", read);
    child.once("error", reject);
    void exited.then(() => {
      clearTimeout(timer);
      reject(failure());
    });
  });
}
