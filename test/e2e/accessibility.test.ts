/** Every view for everybody: axe finds nothing serious, and nothing is wider than a phone. */
import { AxeBuilder } from "@axe-core/playwright";
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { askOfficially, conversationAt } from "../helpers/own-client.ts";
import { startOperator } from "./operator-page.ts";
import { makeWeather } from "./weather.ts";

const operator = startOperator();

const SCREENS = {
  "by day": { colorScheme: "light", viewport: { width: 1280, height: 800 } },
  "by night": { colorScheme: "dark", viewport: { width: 1280, height: 800 } },
  "on a phone": { colorScheme: "light", viewport: { width: 400, height: 800 } },
  "on a phone by night": { colorScheme: "dark", viewport: { width: 400, height: 800 } },
} as const;

/** Addresses of all views, with something to be seen there; each with what is there when it is ready. */
async function viewsWithData(): Promise<Record<string, string>> {
  const { key, keyId, toolId } = await makeWeather(operator.url, `axe_${crypto.randomUUID().slice(0, 8)}`);
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
    "/keys?key=new": "dialog .tool-toggles",
    "/tools": "tbody .row-link",
    [`/tools?tool=${toolId}`]: ".cm-content",
    "/tools?import=1": "form",
    "/tools?view=servers": "main .empty",
    "/playground": ".composer",
    "/settings": "tbody tr",
  };
}

async function seriousFaults(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]).analyze();
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  return serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`);
}

const excess = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

for (const [name, screen] of Object.entries(SCREENS)) {
  it(`Every view can be used by everybody ${name}`, async () => {
    const views = await viewsWithData();
    const page = await operator.signIn("/", screen);
    const faults: Record<string, unknown> = {};
    for (const [path, ready] of Object.entries(views)) {
      await page.goto(path);
      await page.locator(ready).first().waitFor();
      const found = await seriousFaults(page);
      if (found.length > 0) faults[path] = found;
      const tooWide = await excess(page);
      if (tooWide > 0) faults[`${path} is too wide by`] = tooWide;
    }
    expect(faults).toEqual({});
  }, 120_000);
}

it("The sign-in can be used by everybody", async () => {
  const page = await operator.open();
  await page.goto("/");
  await page.getByLabel("Admin password").waitFor();
  expect(await seriousFaults(page)).toEqual([]);
});
