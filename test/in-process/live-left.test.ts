/** What is logged when somebody stops watching the live list of conversations. */
import { expect, it } from "vitest";
import { here } from "../helpers/proxy.ts";
import { ADMIN_PASSWORD } from "../helpers/settings.ts";

it("no error is logged when a client leaves the live list early", async () => {
  if (here.inProcess === undefined) throw new Error("The proxy is not in this process");
  const { url, lines } = here.inProcess;
  const signedIn = await fetch(`${url}/api/admin/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ password: ADMIN_PASSWORD }),
  });
  const { token } = (await signedIn.json()) as { token: string };
  const before = lines.length;
  for (let visit = 1; visit <= 3; visit++) {
    const leaving = new AbortController();
    const answer = await fetch(`${url}/api/admin/conversations/live`, {
      headers: { authorization: `Bearer ${token}` },
      signal: leaving.signal,
    });
    expect((await answer.body?.getReader().read())?.done).toBe(false);
    leaving.abort();
  }
  // Nothing tells from outside that the server has seen it.
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(lines.slice(before).filter((line) => line.includes("broken off"))).toEqual([]);
});
