/** How the operator's page sees tools run; nobody else does. */
import { expect, it } from "vitest";
import { ask, keyWithAdd } from "../helpers/chat-turn.ts";
import { proxy } from "../helpers/proxy.ts";
import { ADMIN_PASSWORD } from "../helpers/start-target.ts";
import { chunk, events, toolCall, usageChunk } from "../helpers/upstream.ts";

async function sessionCookie(): Promise<string> {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${proxy.url}/api/admin/login`, {
    method: "POST",
    headers,
    body: JSON.stringify({ password: ADMIN_PASSWORD }),
  });
  return (answer.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
}

async function send(headers: Record<string, string>): Promise<Response> {
  const key = await keyWithAdd((name) => [
    events(
      chunk({ role: "assistant", content: null }),
      chunk({
        tool_calls: [
          { index: 0, ...toolCall("c1", name, { a: 40, b: 2 }) },
          { index: 1, ...toolCall("c2", name, { a: "x" }) },
        ],
      }),
      chunk({}, "tool_calls"),
      usageChunk(),
    ),
    events(chunk({ role: "assistant", content: "done" }), chunk({}, "stop"), usageChunk()),
  ]);
  return fetch(`${proxy.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key.key}`, "content-type": "application/json", ...headers },
    body: JSON.stringify(ask({ stream: true })),
  });
}

it("tells the operator's page of each tool as it runs, in the stream of the answer", async () => {
  const text = await (
    await send({ "x-proxy-tool-events": "1", cookie: await sessionCookie() })
  ).text();
  const told = [...text.matchAll(/^event: proxy\.tool_execution\ndata: (.*)$/gm)].map(
    ([, data = ""]) => JSON.parse(data) as { id: string; status: string },
  );
  expect(told.filter(({ status }) => status === "running").map(({ id }) => id)).toEqual([
    "c1",
    "c2",
  ]);
  expect(told).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        id: "c1",
        arguments: '{"a":40,"b":2}',
        round: 1,
        status: "completed",
        result: "42",
        durationMs: expect.any(Number),
      }),
      expect.objectContaining({
        id: "c2",
        status: "failed",
        result: expect.stringContaining("Error"),
      }),
    ]),
  );
  expect(text.lastIndexOf("proxy.tool_execution")).toBeLessThan(text.indexOf('"done"'));
  expect(text).toMatch(/data: \[DONE\]\n\n$/);
});

it("refuses to tell anybody else, and says nothing where nobody asked", async () => {
  for (const headers of [{}, { cookie: "admin_session=x" }]) {
    const refused = await send({ "x-proxy-tool-events": "1", ...headers });
    expect([
      refused.status,
      ((await refused.json()) as { error: { code: string } }).error.code,
    ]).toEqual([401, "admin_session_required"]);
  }
  expect(await (await send({ cookie: await sessionCookie() })).text()).not.toContain(
    "tool_execution",
  );
});

it("refuses a page of another origin, which would read along with the operator's cookie", async () => {
  const asked = { "x-proxy-tool-events": "1", cookie: await sessionCookie() };
  for (const origin of ["http://elsewhere.example", "null", `${proxy.url}.elsewhere.example`]) {
    const refused = await send({ ...asked, origin });
    const { error } = (await refused.json()) as { error: { code: string } };
    expect([refused.status, error.code], origin).toEqual([403, "forbidden_origin"]);
  }
  const own = await send({ ...asked, origin: new URL(proxy.url).origin });
  expect(await own.text()).toContain("event: proxy.tool_execution");
});
