/** The overview and the settings: what came through, what it cost, who changed what. */
import { expect, it } from "vitest";
import { adminCall } from "../helpers/own-proxy.ts";
import { askOfficially, conversationAt } from "../helpers/own-client.ts";
import { completion, startUpstream, toolCall } from "../helpers/upstream.ts";
import { startOperator } from "./operator-page.ts";
import { makeWeather } from "./weather.ts";

const operator = startOperator();

it("Requests, errors, cost, latency and tokens are there at a glance, with charts and the tools' figures", async () => {
  const { key, toolName } = await makeWeather(operator.url, "figures");
  const { conversationId } = await askOfficially(
    { url: operator.url, key },
    { model: "gpt-4.1-mini", messages: [{ role: "user", content: "Count me" }] },
    true,
  );
  await conversationAt(operator.url, conversationId);
  const page = await operator.signIn("/");
  const tiles = page.locator(".tiles");
  await tiles.waitFor();
  const text = await tiles.innerText();
  for (const name of ["Requests", "Errors", "Cost", "Tokens", "Latency", "First token"])
    expect(text).toContain(name);
  await expect.poll(() => page.locator("figure canvas").count()).toBe(4);
  await page.getByRole("row", { name: new RegExp(toolName) }).waitFor();
  await page
    .getByRole("row", { name: /gpt-4.1-mini/ })
    .first()
    .waitFor();
  await page.getByRole("radio", { name: "30 days" }).click();
  await page.waitForURL(/range=30d/);
  await page.getByRole("link", { name: "Count me" }).click();
  await page.getByRole("heading", { level: 1, name: "Count me" }).waitFor();
});

it("A failing tool, and what failed, lead to exactly the conversations in which they did", async () => {
  const tool = await adminCall<{ id: string }>(operator.url, "/tools", {
    name: "fragile",
    type: "function",
    implementation: "if (args.n === 2) throw new Error('broken'); return 'whole';",
    parameters: { type: "object", properties: { n: { type: "number" } } },
  });
  const upstream = await startUpstream(
    completion({ tool_calls: [toolCall("call_1", "fragile", { n: 1 })] }),
    completion({ content: "It held." }),
    completion({ tool_calls: [toolCall("call_1", "fragile", { n: 2 })] }),
    completion({ content: "It broke." }),
  );
  const { key } = await adminCall<{ key: string }>(operator.url, "/api-keys", {
    name: "failing",
    toolIds: [tool.id],
    openaiBaseUrl: upstream.url,
  });
  const ask = async (content: string) => {
    const { conversationId } = await askOfficially(
      { url: operator.url, key },
      { messages: [{ role: "user", content }] },
      true,
    );
    await conversationAt(operator.url, conversationId);
  };
  await ask("It works");
  await ask("It is broken");
  const page = await operator.signIn("/");
  const row = page.getByRole("row", { name: /fragile/ });
  await row.getByRole("link", { name: "50%" }).click();
  await page.getByRole("link", { name: "It is broken" }).waitFor();
  expect(await page.getByRole("link", { name: "It works" }).count()).toBe(0);
  expect(page.url()).toMatch(/toolStatus=failed&from=.+&to=/);
  await page.getByLabel("Tool’s result").selectOption("");
  await page.getByRole("link", { name: "It works" }).waitFor();
});

it("The settings show the parts, the versions, and who changed what, without any secret", async () => {
  await adminCall(operator.url, "/api-keys", { name: "audited", openaiApiKey: "sk-very-secret" });
  const page = await operator.signIn("/settings");
  await page.getByRole("article", { name: "database" }).getByText("ok").waitFor();
  await page.getByText("LOG_RETENTION_DAYS").first().waitFor();
  const wider = page
    .locator("dt")
    .evaluateAll((names) =>
      names.filter((name) => name.scrollWidth > name.clientWidth).map((name) => name.textContent),
    );
  expect(await wider, "names that are wider than their column").toEqual([]);
  const entry = page.getByRole("row", { name: /audited/ });
  await entry.locator("summary").click();
  expect(await entry.innerText()).toContain("(set)");
  expect(await page.content()).not.toContain("sk-very-secret");
  await page.getByLabel("What").selectOption("session.sign_in");
  await expect.poll(() => page.getByRole("row", { name: /audited/ }).count()).toBe(0);
  await page
    .getByRole("row", { name: /sign in/i })
    .first()
    .waitFor();
});
