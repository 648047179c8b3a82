import { Agent, get } from "node:http";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { adminCall, chat, dataDirectory } from "../helpers/own-proxy.ts";
import { ADMIN_PASSWORD } from "../helpers/start-target.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

/** One request on the agent's one connection; resolves to what became of it. */
function ask(url: string, agent: Agent): Promise<string> {
  return new Promise((resolve) => {
    get(url, { agent }, (response) =>
      response.resume().once("end", () => resolve("answered")),
    ).once("error", () => resolve("refused"));
  });
}

describe("SIGTERM", () => {
  it("answers a client that uses a connection which it had kept, and tells it that it ends", async () => {
    const proxy = await dataDirectory().start();
    const { hostname, port } = new URL(proxy.captured);
    const socket = connect(Number(port), hostname);
    let received = "";
    socket.on("data", (data) => (received += data.toString()));
    const ended = new Promise((resolve) => socket.once("close", resolve));
    const request = `GET /health HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`;
    socket.write(request);
    await expect.poll(() => received).toContain("keep-alive");
    const stopped = proxy.stop("SIGTERM");
    await expect.poll(() => proxy.output.join()).toContain("Ending");
    // Longer than closing what is idle takes, where that is done at once.
    await new Promise((resolve) => setTimeout(resolve, 500));
    received = "";
    socket.write(request);
    await ended;
    expect(received).toMatch(/^HTTP\/1.1 200 /);
    expect(received.toLowerCase()).toContain("connection: close");
    await stopped;
    expect(proxy.child.exitCode).toBe(0);
  });

  it("that comes twice is one signal, as npm passes on what the terminal has told", async () => {
    const upstream = await startUpstream(
      (request, response) =>
        void setTimeout(() => void completion({ content: "late" })(request, response), 1500),
    );
    const proxy = await dataDirectory().start();
    const fields = { name: "twice", openaiBaseUrl: upstream.url };
    const { key } = await adminCall<{ key: string }>(proxy.captured, "/api-keys", fields);
    const running = chat(proxy.captured, key);
    await expect.poll(() => upstream.requests.length).toBe(1);
    const stopped = proxy.stop("SIGTERM");
    proxy.child.kill("SIGTERM");
    expect((await running).status).toBe(200);
    await stopped;
    expect(proxy.child.exitCode).toBe(0);
  });

  it("lets a running request end, and is not held up by a client that never stops asking", async () => {
    const upstream = await startUpstream(
      (request, response) =>
        void setTimeout(() => void completion({ content: "late" })(request, response), 1500),
    );
    const proxy = await dataDirectory().start();
    const { key } = await adminCall<{ key: string }>(proxy.captured, "/api-keys", {
      name: "drained",
      openaiBaseUrl: upstream.url,
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const running = chat(proxy.captured, key);
    await expect.poll(() => upstream.requests.length).toBe(1);
    expect(await ask(`${proxy.captured}/health`, agent)).toBe("answered");
    const startedAt = Date.now();
    const stopped = proxy.stop("SIGTERM");
    while ((await ask(`${proxy.captured}/health`, agent)) === "answered");
    expect((await running).status).toBe(200);
    expect(await (await running).json()).toMatchObject({
      choices: [{ message: { content: "late" } }],
    });
    await stopped;
    expect(proxy.child.exitCode).toBe(0);
    expect(Date.now() - startedAt).toBeLessThan(8000);
    agent.destroy();
  });

  it("ends the live list of conversations, which would never end by itself", async () => {
    const proxy = await dataDirectory().start();
    const login = {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ password: ADMIN_PASSWORD }),
    };
    const { token } = (await (await fetch(`${proxy.captured}/api/admin/login`, login)).json()) as {
      token: string;
    };
    const live = await fetch(`${proxy.captured}/api/admin/conversations/live`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(live.status).toBe(200);
    const text = live.text();
    const startedAt = Date.now();
    await proxy.stop("SIGTERM");
    expect(await text).toContain(": listening");
    expect(proxy.child.exitCode).toBe(0);
    expect(Date.now() - startedAt).toBeLessThan(6000);
  });
});
