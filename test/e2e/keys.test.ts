/** Keys: made, used, found, limited, given tools, rotated, switched off, deleted. */
import OpenAI from "openai";
import { expect, it } from "vitest";
import { adminCall, chat } from "../helpers/own-proxy.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";
import { startOperator, textsOf } from "./operator-page.ts";
import { makeWeather } from "./weather.ts";

const operator = startOperator();

it("A new key is shown once, with code that uses it, and works", async () => {
  const upstream = await startUpstream(completion({ content: "hi" }));
  const page = await operator.signIn("/keys");
  await page.getByRole("link", { name: "New key" }).click();
  await page.getByLabel("Name").fill("mobile app");
  await page.getByLabel("Budget per month").fill("12.5");
  await page.getByLabel("Requests per minute").fill("60");
  await page.getByText("Upstream and models").click();
  await page.getByLabel("Base URL of its own").fill(upstream.url);
  await page.getByRole("button", { name: "Create key" }).click();
  const key = (await page.getByLabel("API key", { exact: true }).innerText()).trim();
  expect(key).toMatch(/^sk-proxy-/);
  for (const [language, part] of Object.entries({
    curl: "chat/completions",
    Node: "baseURL",
    Python: "base_url",
  })) {
    await page.getByRole("radio", { name: language }).click();
    const code = await page.getByLabel(`${language} code`, { exact: true }).innerText();
    expect(code).toContain(key);
    expect(code).toContain(part);
  }
  await page.getByRole("button", { name: "Copy API key" }).click();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(key);
  const client = new OpenAI({ baseURL: `${operator.url}/v1`, apiKey: key, maxRetries: 0 });
  const { choices } = await client.chat.completions.create({
    model: "gpt-test",
    messages: [{ role: "user", content: "Hello" }],
  });
  expect(choices[0]?.message.content).toBe("hi");
  await page.getByRole("button", { name: "I have copied it" }).click();
  const row = page.getByRole("row", { name: /mobile app/ });
  expect(await row.innerText()).toContain(`…${key.slice(-4)}`);
  expect(await row.innerText()).toContain("of $12.50");
  expect(await page.content()).not.toContain(key);
});

it("Keys are found by name and sorted by column, in an address that can be shared", async () => {
  for (const name of ["Zebra crossing", "Aardvark den"])
    await adminCall(operator.url, "/api-keys", { name });
  const page = await operator.signIn("/keys");
  const names = () => textsOf(page, "tbody .row-link");
  await page.getByRole("button", { name: "Name" }).click();
  await expect.poll(async () => (await names())[0]).toBe("Aardvark den");
  await page.getByRole("button", { name: "Name" }).click();
  await expect.poll(async () => (await names())[0]).toBe("Zebra crossing");
  await page.keyboard.press("/");
  await page.keyboard.type("aardvark");
  await expect.poll(names).toEqual(["Aardvark den"]);
  expect(page.url()).toContain("q=aardvark");
  await page.reload();
  await expect.poll(names).toEqual(["Aardvark den"]);
});

it("Limits of a key are changed in its settings", async () => {
  const { id } = await adminCall<{ id: string }>(operator.url, "/api-keys", {
    name: "to be limited",
  });
  const page = await operator.signIn("/keys");
  await page.getByRole("link", { name: "to be limited", exact: true }).click();
  await page.getByLabel("Tokens per minute").fill("9000");
  await page.getByLabel("Answer cache of /mcp, in seconds").fill("0");
  await page.getByLabel("On record").selectOption("metadata");
  await page.getByText("Upstream and models").click();
  await page.getByLabel("Asked in").selectOption("responses");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  const changed = await adminCall<Record<string, unknown>>(operator.url, `/api-keys/${id}`);
  expect(changed).toMatchObject({
    name: "to be limited",
    tokensPerMinute: 9000,
    logContent: "metadata",
    upstreamDialect: "responses",
    requestsPerMinute: null,
    answerCacheSeconds: 0,
  });
});

it("Tools are given by toggles, beside exactly what the model then sees and what that costs", async () => {
  const { toolId, toolName, keyId } = await makeWeather(operator.url, "preview");
  const page = await operator.signIn(`/keys?key=${keyId}&tab=tools`);
  const pane = page.getByRole("region", { name: "What the model sees" });
  await pane.getByText(/1 tool, \d+ tokens/).waitFor();
  await pane.locator("summary").click();
  expect(await pane.locator("pre").innerText()).toContain('"The weather of a city."');
  await page.getByRole("checkbox", { name: new RegExp(toolName) }).uncheck();
  await pane.getByText("The model sees no tools").waitFor();
  expect(await adminCall(operator.url, `/api-keys/${keyId}/tools`)).toEqual({ toolIds: [] });
  await page.getByRole("checkbox", { name: new RegExp(toolName) }).check();
  await pane.getByText(/1 tool, \d+ tokens/).waitFor();
  expect(await adminCall(operator.url, `/api-keys/${keyId}/tools`)).toEqual({ toolIds: [toolId] });
});

it("A rotated key goes on beside its successor for as long as was chosen", async () => {
  const upstream = await startUpstream(completion({ content: "hi" }));
  const { key: old } = await adminCall<{ key: string }>(operator.url, "/api-keys", {
    name: "rotated",
    openaiBaseUrl: upstream.url,
  });
  const page = await operator.signIn("/keys?q=rotated");
  await page.getByRole("button", { name: "Actions for rotated" }).click();
  await page.getByRole("menuitem", { name: "Rotate…" }).click();
  await page.getByLabel("The old key goes on working for").selectOption("3600");
  await page.getByRole("button", { name: "Rotate key" }).click();
  const next = (await page.getByLabel("API key", { exact: true }).innerText()).trim();
  expect(next).not.toBe(old);
  for (const key of [old, next]) expect((await chat(operator.url, key)).status).toBe(200);
  await page.getByRole("button", { name: "I have copied it" }).click();
  await page.getByText("rotating").waitFor();
});

it("A key is switched off at once, and deleted only after a question", async () => {
  const upstream = await startUpstream(completion({ content: "hi" }));
  const { key } = await adminCall<{ key: string }>(operator.url, "/api-keys", {
    name: "short-lived",
    openaiBaseUrl: upstream.url,
  });
  const page = await operator.signIn("/keys?q=short-lived");
  await page.getByRole("switch", { name: "short-lived is on" }).click();
  await expect
    .poll(async () => (await chat(operator.url, key)).status, { timeout: 6000 })
    .toBe(401);
  await page.getByRole("button", { name: "Actions for short-lived" }).click();
  await page.getByRole("menuitem", { name: "Delete…" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  expect(await page.getByRole("row", { name: /short-lived/ }).count()).toBe(1);
  await page.getByRole("button", { name: "Actions for short-lived" }).click();
  await page.getByRole("menuitem", { name: "Delete…" }).click();
  await page.getByRole("button", { name: "Delete key" }).click();
  await page.getByText("No key is called that").waitFor();
});
