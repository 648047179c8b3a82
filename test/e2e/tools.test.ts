/** Tools: written, tried, imported from MCP servers. */
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { adminCall } from "../helpers/own-proxy.ts";
import { startOperator } from "./operator-page.ts";

const operator = startOperator();

/** Types into an editor as people do: all that is there goes first. */
async function write(page: Page, label: string, text: string): Promise<void> {
  await page.getByRole("textbox", { name: label }).and(page.locator(".cm-content")).click();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.insertText(text);
}

it("A function is written, tried with a form made from its schema, mended and tried again", async () => {
  const page = await operator.signIn("/tools");
  await page.getByRole("link", { name: "New tool" }).click();
  await page.getByLabel("Name", { exact: true }).fill("greet");
  await page.getByLabel("Description").fill("Greets somebody.");
  const schema = {
    type: "object",
    properties: { who: { type: "string" }, loud: { type: "boolean" } },
    required: ["who"],
  };
  await write(page, "Parameters", JSON.stringify(schema));
  await write(
    page,
    "Implementation",
    'console.log("greeting");\nreturn "Hello " + args.who + (args.loud ? "!" : "");',
  );
  await page.getByLabel("who *").fill("Kari");
  await page.getByLabel("loud").selectOption("true");
  await page.getByRole("button", { name: "Save and run" }).click();
  const outcome = page.getByRole("status", { name: "Outcome" });
  await outcome.getByText("Hello Kari!").waitFor();
  expect(await outcome.innerText()).toMatch(/done[\s\S]*\d+ ms[\s\S]*greeting/i);
  await write(page, "Implementation", 'throw new Error("no voice today");');
  await page.getByRole("button", { name: "Save and run" }).click();
  await outcome.getByText("no voice today").waitFor();
  await page.goto("/tools");
  await page.getByRole("row", { name: /greet/ }).waitFor();
});

it("What does not parse is shown in its place, and refused with a reason", async () => {
  const page = await operator.signIn("/tools?tool=new");
  await page.getByLabel("Name", { exact: true }).fill("broken");
  await write(page, "Implementation", "return 1 +;");
  await page.locator(".cm-lint-marker-error").first().waitFor();
  await page.getByRole("button", { name: "Create tool" }).click();
  await page.getByText(/implementation does not parse/).waitFor();
  expect(new URL(page.url()).search).toBe("?tool=new");
  await write(page, "Implementation", "return 1;");
  await write(page, "Parameters", '{"type": ');
  await page.getByRole("button", { name: "Create tool" }).click();
  await page.getByText(/This is not JSON/).waitFor();
});

it("Two tools of an npx server are found, picked and imported, and run", async () => {
  const page = await operator.signIn("/tools?import=1");
  await page
    .getByLabel("Command", { exact: true })
    .fill("npx @modelcontextprotocol/server-everything");
  await page.getByRole("button", { name: "Find its tools" }).click();
  await page.getByRole("radio", { name: "As at the server" }).check({ timeout: 60_000 });
  await page.getByRole("checkbox", { name: /^echo / }).check();
  await page.getByRole("checkbox", { name: /^get-sum / }).check();
  await page.getByRole("button", { name: "Import 2 tools" }).click();
  await page.getByRole("row", { name: /echo/ }).waitFor();
  const { data } = await adminCall<{ data: { name: string; mcpServerCommand: string | null }[] }>(
    operator.url,
    "/tools?limit=200",
  );
  const imported = data.filter(
    ({ mcpServerCommand }) => mcpServerCommand === "npx @modelcontextprotocol/server-everything",
  );
  expect(imported.map(({ name }) => name).toSorted()).toEqual(["echo", "get-sum"]);
  await page.getByRole("row", { name: /echo/ }).getByRole("link").click();
  await page.getByLabel("message *").fill("hello there");
  await page.getByRole("button", { name: "Run" }).click();
  await page
    .getByRole("status", { name: "Outcome" })
    .getByText("hello there")
    .waitFor({ timeout: 30_000 });
});

it("Pasted Claude settings are read, and a server that cannot be started says why in its place", async () => {
  const page = await operator.signIn("/tools?import=1");
  await page.getByRole("radio", { name: "Claude settings" }).click();
  const mcpServers = {
    all: { command: "npx", args: ["@modelcontextprotocol/server-everything"] },
    wrong: { command: "rm", args: ["-rf", "/"] },
  };
  await page.getByRole("textbox", { name: "Settings" }).fill(JSON.stringify({ mcpServers }));
  await page.getByRole("button", { name: "Find its tools" }).click();
  await page.getByRole("checkbox", { name: /^all__get-tiny-image / }).waitFor({ timeout: 60_000 });
  await page.getByText(/not allowed/).waitFor();
  expect(await page.getByRole("button", { name: "Import 0 tools" }).isDisabled()).toBe(true);
});

it("A tool is switched off in the list, and deleted only after a question", async () => {
  await adminCall(operator.url, "/tools", {
    name: "short_lived",
    type: "function",
    implementation: "return 1;",
  });
  const page = await operator.signIn("/tools");
  await page.getByRole("switch", { name: "short_lived is on" }).click();
  await expect
    .poll(() =>
      page.getByRole("switch", { name: "short_lived is on" }).getAttribute("aria-checked"),
    )
    .toBe("false");
  await page.getByRole("link", { name: "short_lived" }).click();
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("button", { name: "Delete tool" }).click();
  await page.getByRole("heading", { level: 1, name: "Tools" }).waitFor();
  await page.getByRole("link", { name: "short_lived" }).waitFor({ state: "detached" });
});
