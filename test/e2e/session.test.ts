/** Signing in and out, and finding one's way. */
import { expect, it } from "vitest";
import { ADMIN_PASSWORD } from "../helpers/settings.ts";
import { startOperator } from "./operator-page.ts";

const operator = startOperator();

it("A wrong password is refused at its field", async () => {
  const page = await operator.open();
  await page.goto("/keys");
  await page.getByLabel("Admin password").fill("a guess");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("The password is wrong").waitFor();
  expect(await page.getByLabel("Admin password").getAttribute("aria-invalid")).toBe("true");
});

it("Who signs in is where they wanted to go, with a session that scripts cannot read, until they sign out", async () => {
  const page = await operator.signIn("/keys");
  await page.getByRole("heading", { level: 1, name: "Keys" }).waitFor();
  expect(await page.evaluate(() => document.cookie)).toBe("");
  expect(await page.evaluate(() => JSON.stringify(Object.entries(localStorage)))).not.toContain(
    "eyJ",
  );
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Admin password").waitFor();
  await page.goto("/tools");
  await page.getByLabel("Admin password").waitFor();
});

it("Who signs out is signed out everywhere: the session's token is of no use to who has a copy", async () => {
  const page = await operator.signIn("/settings");
  const cookies = await page.context().cookies();
  const session = cookies.find(({ name }) => name === "admin_session");
  const copy = { headers: { cookie: `admin_session=${session?.value}` } };
  const tools = `${operator.url}/api/admin/tools`;
  expect((await fetch(tools, copy)).status).toBe(200);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("Admin password").waitFor();
  expect((await fetch(tools, copy)).status).toBe(401);
  const again = await operator.signIn("/settings");
  await again.getByLabel("What", { exact: true }).selectOption("session.sign_out");
  await again
    .getByRole("row", { name: /session · sign out/i })
    .first()
    .waitFor();
});

it("After wrong passwords the right one takes some seconds, and the page says why", async () => {
  const guesses = Array.from({ length: 9 }, () =>
    fetch(`${operator.url}/api/admin/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ password: "a guess" }),
    }),
  );
  const page = await operator.open();
  await page.goto("/keys");
  await page.getByLabel("Admin password").fill(ADMIN_PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("this takes some seconds").waitFor();
  await page.getByRole("heading", { level: 1, name: "Keys" }).waitFor();
  const refused = await Promise.all(guesses);
  expect(refused.map(({ status }) => status)).toEqual(Array<number>(9).fill(401));
});

it("Keys lead everywhere: g and a letter to a view, ? to the list of keys", async () => {
  const page = await operator.signIn();
  const heading = (name: string) => page.getByRole("heading", { level: 1, name }).waitFor();
  await heading("Overview");
  const rooms = {
    k: "Keys",
    t: "Tools",
    c: "Conversations",
    p: "Playground",
    s: "Settings",
    o: "Overview",
  };
  for (const [key, name] of Object.entries(rooms)) {
    await page.keyboard.press("g");
    await page.keyboard.press(key);
    await heading(name);
  }
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("g");
  await page.keyboard.press("c");
  await heading("Conversations");
  await page.keyboard.press("/");
  expect(
    await page
      .getByRole("searchbox", { name: "Search conversations" })
      .evaluate((field) => field === document.activeElement),
  ).toBe(true);
  await page.keyboard.type("gk?");
  expect(new URL(page.url()).pathname).toBe("/conversations");
});

it("An empty server says what comes next", async () => {
  const page = await operator.signIn();
  await page.getByRole("heading", { name: "First steps" }).waitFor();
  await page.goto("/tools");
  await page.getByRole("link", { name: "Write the first tool" }).waitFor();
  await page.goto("/conversations");
  await page.getByRole("link", { name: "Create a key and send the first request" }).click();
  await page.getByRole("dialog", { name: "New API key" }).waitFor();
  expect(await page.getByRole("button", { name: "Create key" }).count()).toBe(1);
});

it("The chosen theme is kept", async () => {
  const page = await operator.signIn("/settings", { colorScheme: "light" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.getByRole("radio", { name: "Dark" }).click();
  await expect.poll(ground).not.toBe(light);
  await page.reload();
  expect(await ground()).not.toBe(light);
});

it("An address that is none says so, and the API's paths are never the page", async () => {
  const page = await operator.signIn("/conversations/0190a0a0-0000-7000-8000-000000000000");
  await page.getByText("There is no such conversation").waitFor();
  for (const path of ["/api/nothing", "/v1/nothing", "/mcp/nothing"]) {
    const answer = await fetch(`${operator.url}${path}`);
    expect(answer.headers.get("content-type"), path).toContain("application/json");
    await answer.body?.cancel();
  }
});
