/** The playground: a chat with a key's tools. */
import { expect, it } from "vitest";
import { adminCall } from "../helpers/own-proxy.ts";
import { functionCall, message, reasoning, says } from "../helpers/responses-upstream.ts";
import { chunk, events, startUpstream, toolCall, type Answer } from "../helpers/upstream.ts";
import { startOperator } from "./operator-page.ts";
import { makeWeather } from "./weather.ts";

const operator = startOperator();

it("A chat with a key's tools shows the answer and what the tools did", async () => {
  const { key, toolName, upstream } = await makeWeather(operator.url, "player");
  const page = await operator.signIn("/playground");
  await page.getByLabel("Key", { exact: true }).fill(key);
  await page.getByText("has 1 tool").waitFor();
  await page.getByLabel("Model").fill("gpt-test");
  await page.getByLabel("Message", { exact: true }).fill("Will it rain?");
  await page.keyboard.press("Enter");
  const log = page.getByRole("log");
  await log.getByText("Will it rain?").waitFor();
  await log.getByRole("cell", { name: "6 mm" }).waitFor();
  await log.locator("details.tool-card").getByText(toolName).waitFor({ timeout: 15_000 });
  await log.getByRole("link", { name: "On record" }).waitFor();
  await page.getByLabel("Message", { exact: true }).fill("And tomorrow?");
  await page.getByRole("button", { name: "Send" }).click();
  await expect.poll(() => upstream.requests.length).toBe(3);
  const sent = upstream.requests[2]?.json()["messages"] as { role: string }[];
  expect(sent.filter(({ role }) => role === "user").length).toBe(2);
});

it("A tool is seen while it runs, and what it answered before the model does", async () => {
  const implementation =
    "const end = Date.now() + 2500; while (Date.now() < end); return 'it rains';";
  const fields = {
    name: "slow_weather",
    description: "",
    type: "function",
    parameters: { type: "object", properties: {} },
    implementation,
  };
  const tool = await adminCall<{ id: string }>(operator.url, "/tools", fields);
  const upstream = await startUpstream(
    events(
      chunk({
        role: "assistant",
        tool_calls: [{ index: 0, ...toolCall("c1", "slow_weather", {}) }],
      }),
      chunk({}, "tool_calls"),
    ),
    events(chunk({ role: "assistant", content: "Take an umbrella." }), chunk({}, "stop")),
  );
  const { key } = await adminCall<{ key: string }>(operator.url, "/api-keys", {
    name: "slow",
    openaiBaseUrl: upstream.url,
    toolIds: [tool.id],
  });
  const page = await operator.signIn("/playground");
  await page.getByLabel("Key", { exact: true }).fill(key);
  await page.getByLabel("Message", { exact: true }).fill("Will it rain?");
  await page.keyboard.press("Enter");
  const card = page.getByRole("log").getByLabel("Call of slow_weather");
  await card.getByText("running").first().waitFor();
  expect(upstream.requests.length).toBe(1);
  await card.getByText("it rains").first().waitFor();
  await page.getByText("Take an umbrella.").waitFor();
});

it("A response with a tool is seen as it comes, and read on record like a chat", async () => {
  const tool = await adminCall<{ id: string }>(operator.url, "/tools", {
    name: "tide",
    type: "function",
    parameters: { type: "object", properties: {} },
    implementation: "return 'high';",
  });
  const search = {
    id: "ws_1",
    type: "web_search_call",
    status: "completed",
    action: { type: "search", query: "tide tables" },
  };
  const upstream = await startUpstream(
    says([search, reasoning("I should look."), functionCall("c1", "tide", {})]),
    says([message("It is **high**.")]),
    says([message("Not yet.")]),
  );
  const { key } = await adminCall<{ key: string }>(operator.url, "/api-keys", {
    name: "responder",
    openaiBaseUrl: upstream.url,
    toolIds: [tool.id],
  });
  const page = await operator.signIn("/playground");
  await page.getByLabel("Key", { exact: true }).fill(key);
  await page.getByRole("radio", { name: "Responses" }).click();
  await page.getByRole("button", { name: "Add a system message" }).click();
  await page.getByLabel("System message").fill("Be brief.");
  await page.getByLabel("Message", { exact: true }).fill("How is the tide?");
  await page.keyboard.press("Enter");
  const log = page.getByRole("log");
  await log.getByText("high", { exact: true }).first().waitFor();
  await log.getByRole("link", { name: "On record" }).waitFor();
  await page.getByLabel("Message", { exact: true }).fill("Is it low now?");
  await page.keyboard.press("Enter");
  await log.getByText("Not yet.").waitFor();
  expect(upstream.requests.map(({ url }) => url)).toEqual(Array(3).fill("/v1/responses"));
  const sent = upstream.requests[2]?.json();
  expect(sent).toMatchObject({ instructions: "Be brief.", store: false });
  await log.getByRole("link", { name: "On record" }).first().click();
  const round = page.getByRole("region", { name: "Round 1" }).first();
  await round.getByText("run by the proxy").waitFor();
  await round.getByLabel("Call of web_search").getByText("tide tables", { exact: true }).waitFor();
  await round.locator("details.reasoning summary").click();
  await round.getByText("I should look.").waitFor();
  expect(await page.getByText("hidden from the client").count()).toBe(0);
  await page.getByRole("button", { name: "Copy as curl" }).click();
  await page.getByText("Copied").waitFor();
  const curl = await page.evaluate(() => navigator.clipboard.readText());
  expect(curl).toContain(`curl ${operator.url}/v1/responses`);
  expect(curl).toContain('"input": [');
});

it("An answer streams in, and stops when it is told to", async () => {
  const slow: Answer = async (request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(
      `data: ${JSON.stringify(chunk({ role: "assistant", content: "The beginning of" }))}\n\n`,
    );
    await request.aborted;
  };
  const upstream = await startUpstream(slow);
  const { key } = await adminCall<{ key: string }>(operator.url, "/api-keys", {
    name: "stopper",
    openaiBaseUrl: upstream.url,
  });
  const page = await operator.signIn("/playground");
  await page.getByLabel("Key", { exact: true }).fill(key);
  await page.getByLabel("Message", { exact: true }).fill("Tell me everything");
  await page.keyboard.press("Enter");
  await page.getByText("The beginning of").waitFor();
  await page.getByText("Working").waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByText("stopped").waitFor();
  expect(upstream.requests.length).toBe(1);
  await upstream.requests[0]?.aborted;
});

it("A refusal says what the server says", async () => {
  const page = await operator.signIn("/playground");
  await page.getByLabel("Key", { exact: true }).fill("sk-proxy-not-a-key");
  await page.getByLabel("Message", { exact: true }).fill("Anybody there?");
  await page.keyboard.press("Enter");
  expect(await page.getByRole("alert").innerText()).toMatch(/key/i);
});
