/** What MCP clients asked, among the conversations. */
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { expect, it, onTestFinished } from "vitest";
import { adminCall } from "../helpers/own-proxy.ts";
import { askOfficially, conversationTitled } from "../helpers/own-client.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";
import { startOperator, textsOf } from "./operator-page.ts";
import { makeWeather } from "./weather.ts";

const operator = startOperator();

/** An MCP client with a key of its own. */
async function connect(name: string) {
  const upstream = await startUpstream(completion({ content: "Twelve" }));
  const { key } = await adminCall<{ key: string }>(operator.url, "/api-keys", {
    name,
    openaiBaseUrl: upstream.url,
    answerCacheSeconds: 600,
  });
  const client = new Client({ name: "a client for tests", version: "1.0.0" });
  onTestFinished(() => client.close());
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${operator.url}/mcp`), {
      requestInit: { headers: { authorization: `Bearer ${key}` } },
    }),
  );
  return {
    upstream,
    ask: (prompt: string) =>
      client.callTool({ name: "chat", arguments: { prompt, temperature: 0 } }),
  };
}

it("An answer that came from the cache says so", async () => {
  const { upstream, ask } = await connect("cached");
  await ask("How many months are there?");
  await conversationTitled(operator.url, "How many months are there?");
  await ask("How many months are there?");
  expect(upstream.requests).toHaveLength(1);
  const written = async () =>
    (await adminCall<{ data: unknown[] }>(operator.url, "/conversations?q=months")).data;
  await expect.poll(written, { timeout: 15_000 }).toHaveLength(2);
  const page = await operator.signIn("/conversations?q=months");
  await page.getByRole("link", { name: "How many months are there?" }).first().click();
  await page.getByText("from the answer cache").waitFor();
  await page.goBack();
  await page.getByRole("link", { name: "How many months are there?" }).last().click();
  await page.getByRole("heading", { level: 2, name: "Turn 1" }).waitFor();
  expect(await page.getByText("from the answer cache").count()).toBe(0);
});

it("Conversations of MCP clients are told from those of other applications", async () => {
  const { ask } = await connect("filtered");
  await ask("Asked by an MCP client");
  await conversationTitled(operator.url, "Asked by an MCP client");
  const { key } = await makeWeather(operator.url, "application");
  await askOfficially(
    { url: operator.url, key },
    { messages: [{ role: "user", content: "Asked by an application" }] },
    true,
  );
  await conversationTitled(operator.url, "Asked by an application");
  const page = await operator.signIn("/conversations?q=Asked+by+an");
  await expect.poll(() => textsOf(page, "tbody .row-link")).toHaveLength(2);
  await page.getByRole("button", { name: "Filters" }).click();
  await page.getByLabel("Endpoint").selectOption("/mcp");
  await expect.poll(() => textsOf(page, "tbody .row-link")).toEqual(["Asked by an MCP client"]);
  expect(page.url()).toContain("endpoint=%2Fmcp");
  await page.getByLabel("Endpoint").selectOption("/v1/chat/completions");
  await expect.poll(() => textsOf(page, "tbody .row-link")).toEqual(["Asked by an application"]);
});
