/** The admin page in Debian's Chromium, at a real proxy, with the operator signed in. */
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import {
  chromium,
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  type Page,
} from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { makeDataDirectory } from "../helpers/own-proxy.ts";
import { ADMIN_PASSWORD, startNodeProxy, type StartedProcess } from "../helpers/start-target.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"];
/**
 * Chromium's own words for an answer that the page expects, such as 401 for a wrong password, or
 * 502 for an MCP server that is not there.
 */
const EXPECTED = /^Failed to load resource: the server responded with a status of (?:4\d\d|502)/;
const START_LIMIT_MS = 120_000;

/** A proxy with a browser beside it, for the tests of one file. */
export interface Operator {
  readonly url: string;
  /** A page that nobody has signed in at. */
  open(options?: BrowserContextOptions): Promise<Page>;
  /** A page with the operator signed in, at a path. */
  signIn(path?: string, options?: BrowserContextOptions): Promise<Page>;
}

/** What the page must never do: print an error, throw one, or ask another host. */
function watch(page: Page, url: string, faults: string[]): void {
  page.on("console", (message) => {
    if (message.type() === "error" && !EXPECTED.test(message.text()))
      faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`thrown: ${error.message}`));
  page.on("request", (request) => {
    if (!/^(?:data|blob):/.test(request.url()) && new URL(request.url()).origin !== url)
      faults.push(`asked: ${request.url()}`);
  });
}

/**
 * Starts a proxy and a browser before the tests of a file, and ends them after.
 * @param env variables of the proxy
 */
export function startOperator(env: Record<string, string> = {}): Operator {
  const directory = makeDataDirectory();
  const contexts: BrowserContext[] = [];
  const faults: string[] = [];
  let proxy: StartedProcess;
  let browser: Browser;
  beforeAll(async () => {
    // As it is shipped: vitest's own NODE_ENV would make it a page with React for development.
    execFileSync(process.execPath, ["scripts/build-page-when-stale.ts"], {
      cwd: ROOT,
      env: { ...process.env, NODE_ENV: "production" },
    });
    [proxy, browser] = await Promise.all([
      startNodeProxy({ DATA_DIR: directory, ...env }),
      chromium.launch({ executablePath: CHROMIUM, args: FLAGS }),
    ]);
  }, START_LIMIT_MS);
  afterEach(async () => {
    for (const context of contexts.splice(0)) await context.close();
    expect(faults.splice(0), "the page did what it must never do").toEqual([]);
  });
  afterAll(async () => {
    await browser.close();
    await proxy.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  const operator: Operator = {
    get url() {
      return proxy.captured;
    },
    open: async (options = {}) => {
      const context = await browser.newContext({
        viewport: { width: 1280, height: 800 },
        baseURL: operator.url,
        ...options,
      });
      contexts.push(context);
      await context.grantPermissions(["clipboard-read", "clipboard-write"]);
      const page = await context.newPage();
      watch(page, operator.url, faults);
      return page;
    },
    signIn: async (path = "/", options = {}) => {
      const page = await operator.open(options);
      await page.goto(path);
      await page.getByLabel("Admin password").fill(ADMIN_PASSWORD);
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("navigation", { name: "Main" }).waitFor();
      return page;
    },
  };
  return operator;
}

/** The texts of a list of elements, as people see them. */
export const textsOf = (page: Page, selector: string): Promise<string[]> =>
  page.locator(selector).allInnerTexts();
