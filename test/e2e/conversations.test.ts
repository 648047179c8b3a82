/** Conversations: found, read, followed, taken away. */
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { askOfficially, conversationAt } from "../helpers/own-client.ts";
import { startOperator, textsOf } from "./operator-page.ts";
import { ANSWER, makeWeather } from "./weather.ts";

const operator = startOperator();

/** Has a conversation through the official client, and waits for its record. */
async function talk(name: string, question: string) {
  const weather = await makeWeather(operator.url, name);
  const { conversationId, message } = await askOfficially(
    { url: operator.url, key: weather.key },
    {
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: question },
      ],
    },
    true,
  );
  await conversationAt(operator.url, conversationId);
  return { ...weather, conversationId, message };
}

const titles = (page: Page) => textsOf(page, "tbody .row-link");

it("What an application asked is found by a word, and read as a chat", async () => {
  const { conversationId, toolName } = await talk("reader", "Will it rain in Oslo, my friend?");
  const page = await operator.signIn("/conversations");
  await page.getByRole("searchbox", { name: "Search conversations" }).fill("rain in Oslo");
  await page.getByRole("link", { name: "Will it rain in Oslo, my friend?" }).click();
  expect(page.url()).toContain(conversationId);
  await page.getByRole("heading", { level: 3, name: "Round 2" }).waitFor();
  expect(await page.getByRole("strong").allInnerTexts()).toContain("jacket");
  await page.getByText("<b>bold?</b>").waitFor();
  expect(await page.getByRole("cell", { name: "6 mm" }).count()).toBe(1);
  const hidden = page.getByRole("region", { name: "Round 1" });
  await hidden.getByText("hidden from the client").waitFor();
  await hidden.getByText("Reasoning").click();
  await hidden.getByText("The forecast will tell.").waitFor();
  const card = page.locator("details.tool-card");
  await card.locator("summary").click();
  const text = await card.innerText();
  for (const part of [toolName, '"city": "Oslo"', '"rain": "6 mm"', "asked for Oslo"])
    expect(text).toContain(part);
});

it("A timeline shows rounds and tools in their order, and to scale", async () => {
  const { conversationId, toolName } = await talk("timeline", "What ran when?");
  const page = await operator.signIn(`/conversations/${conversationId}`);
  const timeline = page.getByRole("region", { name: "Timeline" });
  await timeline.waitFor();
  expect(await timeline.locator(".step-name").allInnerTexts()).toEqual([
    "Round 1",
    toolName,
    "Round 2",
  ]);
  const lefts = () =>
    timeline.locator(".step-bar").evaluateAll((bars) => bars.map((bar) => bar.style.left));
  expect((await lefts()).map((left) => Math.round(Number.parseFloat(left)))).toEqual([0, 33, 67]);
  await timeline.getByRole("radio", { name: "Time" }).click();
  await expect.poll(lefts).not.toContain("33.3333%");
  await timeline.getByRole("button", { name: new RegExp(toolName) }).click();
  expect(await page.locator("details.tool-card").getAttribute("open")).not.toBeNull();
});

it("Raw JSON and curl are one click away, and the command is the request that was made", async () => {
  const { conversationId } = await talk("raw", "It's raw, isn't it?");
  const page = await operator.signIn(`/conversations/${conversationId}`);
  await page.getByRole("button", { name: "Copy as curl" }).click();
  await page.getByText("Copied").waitFor();
  const curl = await page.evaluate(() => navigator.clipboard.readText());
  expect(curl).toContain(`curl ${operator.url}/v1/chat/completions`);
  expect(curl).toContain(String.raw`It'\''s raw, isn'\''t it?`);
  expect(curl).not.toContain("jacket");
  await page.keyboard.press("r");
  const raw = JSON.parse(
    await page
      .getByLabel(/^JSON of/)
      .first()
      .innerText(),
  ) as { id: string };
  expect(raw.id).toBe(conversationId);
});

it("Filters are in the address, rows are walked with j and k, and Enter opens one", async () => {
  await talk("walker", "First question of three");
  await talk("walker2", "Second question of three");
  const { keyId } = await talk("walker3", "Third question of three");
  const page = await operator.signIn("/conversations?q=question+of+three");
  await expect
    .poll(() => titles(page))
    .toEqual(["Third question of three", "Second question of three", "First question of three"]);
  for (const key of ["j", "j", "j", "k"]) await page.keyboard.press(key);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Second question of three" }).waitFor();
  await page.goBack();
  await page.getByRole("button", { name: "Filters" }).click();
  await page.getByLabel("Key", { exact: true }).selectOption({ label: "walker3" });
  await expect.poll(() => titles(page)).toEqual(["Third question of three"]);
  expect(page.url()).toContain(`apiKeyId=${keyId}`);
  await page.getByLabel("Status").selectOption("failed");
  await page.getByText("Nothing matches").waitFor();
  await page.getByRole("link", { name: "Clear" }).click();
  await expect.poll(async () => (await titles(page)).length).toBeGreaterThan(2);
});

it("A live tail shows a new conversation without a reload", async () => {
  const page = await operator.signIn("/conversations");
  await page.getByRole("button", { name: "Live" }).click();
  await page.getByRole("heading", { name: "Conversations" }).waitFor();
  await talk("live", "Do you see me now?");
  await page.getByRole("link", { name: "Do you see me now?" }).waitFor({ timeout: 10_000 });
  expect((await titles(page))[0]).toBe("Do you see me now?");
});

it("What is filtered is exported as JSON lines, each a whole conversation", async () => {
  const { conversationId } = await talk("exporter", "Take me with you");
  const page = await operator.signIn("/conversations?q=Take+me+with+you");
  await page.getByRole("link", { name: "Take me with you" }).waitFor();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Export" }).click(),
  ]);
  const lines = readFileSync(await download.path(), "utf8")
    .trim()
    .split("\n");
  const exported = lines.map(
    (line) => JSON.parse(line) as { id: string; messages: { content: unknown }[] },
  );
  expect(exported.map(({ id }) => id)).toEqual([conversationId]);
  expect(JSON.stringify(exported[0]?.messages)).toContain("jacket");
});

it("A conversation is deleted only after a question", async () => {
  const { conversationId } = await talk("forgetful", "Forget this, please");
  const page = await operator.signIn(`/conversations/${conversationId}`);
  await page.getByRole("button", { name: "More actions" }).click();
  await page.getByRole("menuitem", { name: "Delete conversation…" }).click();
  await page.getByRole("button", { name: "Delete conversation" }).click();
  await page.getByRole("heading", { level: 1, name: "Conversations" }).waitFor();
  expect(await titles(page)).not.toContain("Forget this, please");
  await page.goto(`/conversations/${conversationId}`);
  await page.getByText("There is no such conversation").waitFor();
});

it("What a client said before is in the playground, to be asked again", async () => {
  const { conversationId, message, key } = await talk("again", "Shall we play?");
  expect(message.content).toBe(`Let me look.\n\n${ANSWER}`);
  const page = await operator.signIn(`/conversations/${conversationId}`);
  await page.getByRole("link", { name: "Open in playground" }).click();
  expect(await page.getByLabel("Message", { exact: true }).inputValue()).toBe("Shall we play?");
  expect(await page.getByLabel("System message").inputValue()).toBe("Be brief.");
  await page.getByLabel("Key", { exact: true }).fill(key);
  await page.getByText("has 1 tool").waitFor();
});
