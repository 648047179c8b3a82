/** Every view for everybody: axe finds nothing serious, and nothing is wider than a phone. */
import { AxeBuilder } from "@axe-core/playwright";
import type { Tool as McpTool } from "@modelcontextprotocol/sdk/types.js";
import type { Page } from "playwright-core";
import { expect, it, onTestFinished } from "vitest";
import { askOfficially, conversationAt } from "../helpers/own-client.ts";
import { adminCall } from "../helpers/own-proxy.ts";
import { startChangingServer } from "./changing-server.ts";
import { startOperator } from "./operator-page.ts";
import { makeWeather } from "./weather.ts";

const operator = startOperator({ MCP_ALLOWED_PRIVATE_HOSTS: "127.0.0.1" });

/** Colours are a theme's and places a width's: two screens have both of each. */
const SCREENS = {
  "by day": { colorScheme: "light", viewport: { width: 1280, height: 800 } },
  "on a phone by night": { colorScheme: "dark", viewport: { width: 400, height: 800 } },
} as const;

const described = (description: string, inputSchema: McpTool["inputSchema"]): McpTool => ({
  name: "search",
  description,
  inputSchema,
});

/**
 * Tools of MCP servers: one that its server changed, one that it does not have any more, and one of
 * a process.
 */
async function makeDrifted(
  name: string,
): Promise<{ changed: string; gone: string; started: string }> {
  const before = described("Finds tickets.", {
    type: "object",
    properties: { query: { type: "string" } },
  });
  const after = described("Finds tickets, the newest first.", {
    type: "object",
    properties: { query: { type: "string", minLength: 3 } },
  });
  const server = await startChangingServer([after, { ...before, name: "close" }]);
  onTestFinished(() => server.close());
  const make = async (mcpToolName: string, fields: Record<string, unknown>) => {
    const { description, inputSchema: parameters } = before;
    const tool = {
      name: `${name}_${mcpToolName}`,
      type: "mcp",
      description,
      parameters,
      mcpToolName,
      ...fields,
    };
    return (await adminCall<{ id: string }>(operator.url, "/tools", tool)).id;
  };
  const remote = { mcpServerUrl: server.url, mcpHeaders: { "X-Api-Key": "a key" } };
  const [changed, gone] = [await make("search", remote), await make("lost", remote)];
  for (const id of [changed, gone]) await adminCall(operator.url, `/tools/${id}/check`, {});
  const started = await make("echo", {
    mcpServerCommand: "npx @modelcontextprotocol/server-everything",
  });
  await adminCall(operator.url, `/tools/${started}/try`, { arguments: {} });
  return { changed, gone, started };
}

/**
 * Addresses of all views, with something to be seen there; each with what is there when it is
 * ready.
 */
async function viewsWithData(): Promise<Record<string, string>> {
  const name = `axe_${crypto.randomUUID().slice(0, 8)}`;
  const { key, keyId, toolId } = await makeWeather(operator.url, name);
  const { changed, gone, started } = await makeDrifted(name);
  const messages = [{ role: "user", content: "Is this readable?" }];
  const { conversationId } = await askOfficially({ url: operator.url, key }, { messages }, true);
  await conversationAt(operator.url, conversationId);
  return {
    "/": "main .tiles",
    "/conversations": "tbody .row-link",
    [`/conversations/${conversationId}`]: ".tool-card",
    "/keys": "tbody .row-link",
    [`/keys?key=${keyId}`]: "dialog form",
    [`/keys?key=${keyId}&tab=tools`]: ".preview-tool",
    [`/keys?key=${keyId}&tab=connect`]: "dialog .connect",
    "/keys?key=new": "dialog .tool-toggles",
    "/tools": "tbody .row-link",
    [`/tools?tool=${toolId}`]: ".cm-content",
    [`/tools?tool=${changed}`]: ".diff ins",
    [`/tools?tool=${gone}`]: ".at-server.waits",
    [`/tools?tool=${started}`]: ".at-server",
    "/tools?changed=1": "tbody .badge.warn",
    "/tools?import=1": "form",
    "/tools?view=servers": ".server-process",
    "/playground": ".composer",
    "/settings": "tbody tr",
  };
}

/** What is opened on a view before it is judged. */
const OPENED: Record<string, (page: Page) => Promise<void>> = {
  "/tools?import=1": async (page) => {
    await page.getByRole("radio", { name: "URL" }).click();
    await page.getByRole("button", { name: "Bearer token" }).click();
    await page.getByRole("button", { name: "Header", exact: true }).click();
  },
  "/tools?view=servers": (page) => page.getByText("Last lines of its output").first().click(),
};

async function seriousFaults(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page })
    .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"])
    .analyze();
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return serious.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`,
  );
}

const excess = (page: Page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

for (const [name, screen] of Object.entries(SCREENS)) {
  it(`Every view can be used by everybody ${name}`, async () => {
    const views = await viewsWithData();
    const page = await operator.signIn("/", screen);
    const faults: Record<string, unknown> = {};
    for (const [path, ready] of Object.entries(views)) {
      await page.goto(path);
      await page.locator(ready).first().waitFor();
      await OPENED[path]?.(page);
      const found = await seriousFaults(page);
      if (found.length > 0) faults[path] = found;
      const tooWide = await excess(page);
      if (tooWide > 0) faults[`${path} is too wide by`] = tooWide;
    }
    expect(faults).toEqual({});
  }, 180_000);
}

it("The sign-in can be used by everybody", async () => {
  const page = await operator.open();
  await page.goto("/");
  await page.getByLabel("Admin password").waitFor();
  expect(await seriousFaults(page)).toEqual([]);
});
