/**
 * On Node only: workerd learns of a client that has left when it writes to it, and here there is
 * nothing to write.
 */
import { get, request } from "node:http";
import { describe, expect, it } from "vitest";
import { adminCall, dataDirectory } from "../helpers/own-proxy.ts";
import { chunk, startUpstream } from "../helpers/upstream.ts";

interface List {
  data: { status: string; title: string }[];
}

describe("a client that goes away", () => {
  it("cancels upstream at once, before the first byte, in a quiet stream, and behind a plain pass-through", async () => {
    const upstream = await startUpstream((request, response) => {
      if (request.url !== "/v1/chat/completions" || request.json()["stream"] !== true) return;
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(
        `data: ${JSON.stringify(chunk({ role: "assistant", content: "and then" }))}\n\n`,
      );
    });
    const proxy = await dataDirectory().start();
    const tool = await adminCall<{ id: string }>(proxy.captured, "/tools", {
      name: "noop",
      description: "",
      type: "function",
      parameters: { type: "object" },
      implementation: "return 1;",
    });
    const plain = await adminCall<{ key: string }>(proxy.captured, "/api-keys", {
      name: "plain",
      openaiBaseUrl: upstream.url,
    });
    const armed = await adminCall<{ key: string }>(proxy.captured, "/api-keys", {
      name: "armed",
      openaiBaseUrl: upstream.url,
      toolIds: [tool.id],
    });
    const cases = [plain, armed].flatMap(({ key }, index) => [
      {
        key,
        path: "/v1/chat/completions",
        body: { stream: false, messages: [{ role: "user", content: `whole ${index}` }] },
      },
      {
        key,
        path: "/v1/chat/completions",
        body: { stream: true, messages: [{ role: "user", content: `streamed ${index}` }] },
      },
    ]);
    for (const { key, path, body } of [
      ...cases,
      { key: plain.key, path: "/v1/embeddings", body: {} },
    ]) {
      const leave = new AbortController();
      const count = upstream.requests.length;
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
      const sent = fetch(`${proxy.captured}${path}`, {
        method: "POST",
        headers,
        body: JSON.stringify(body),
        signal: leave.signal,
      });
      const gone = sent.then((response) => response.text()).catch(() => "gone");
      await expect.poll(() => upstream.requests.length).toBe(count + 1);
      await new Promise((resolve) => setTimeout(resolve, 50));
      leave.abort();
      await upstream.requests.at(-1)?.aborted;
      expect(await gone).toBe("gone");
    }
    await expect
      .poll(
        async () =>
          (await adminCall<List>(proxy.captured, "/conversations")).data
            .map(({ title, status }) => `${title}: ${status}`)
            .toSorted(),
        { timeout: 20_000 },
      )
      .toEqual([
        // That of the embeddings, which have no title.
        ": cancelled",
        "streamed 0: cancelled",
        "streamed 1: cancelled",
        "whole 0: cancelled",
        "whole 1: cancelled",
      ]);
  });

  it("leaves an answer half read, and nothing is printed", async () => {
    const upstream = await startUpstream((_request, response) => {
      response.writeHead(200, { "content-type": "application/octet-stream" });
      const timer = setInterval(() => response.write(Buffer.alloc(500_000)), 1);
      response.once("close", () => clearInterval(timer));
    });
    const proxy = await dataDirectory().start();
    const { key } = await adminCall<{ key: string }>(proxy.captured, "/api-keys", {
      name: "plain",
      openaiBaseUrl: upstream.url,
    });
    await new Promise<void>((left) => {
      get(
        `${proxy.captured}/v1/files/endless/content`,
        { headers: { authorization: `Bearer ${key}` } },
        (response) => {
          response.pause();
          setTimeout(() => left(void response.destroy()), 1000);
        },
      );
    });
    await upstream.requests[0]?.aborted;
    await proxy.stop();
    const foreign = proxy.output.filter(
      (line) => !line.startsWith("{") || line.includes('"level":50'),
    );
    expect(foreign).toEqual([]);
  });

  it("in the midst of its upload is on record as cancelled, and no error in the log", async () => {
    const upstream = await startUpstream(() => {});
    const proxy = await dataDirectory().start({ LOG_LEVEL: "info" });
    const { key } = await adminCall<{ key: string }>(proxy.captured, "/api-keys", {
      name: "uploads",
      openaiBaseUrl: upstream.url,
    });
    const upload = request(`${proxy.captured}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-length": 1_000_000 },
    });
    upload.on("error", () => {});
    upload.write("a beginning");
    await new Promise((resolve) => setTimeout(resolve, 200));
    upload.destroy();
    const find = async () => {
      const { data } = await adminCall<List>(proxy.captured, "/conversations");
      return data.map(({ status }) => status);
    };
    await expect.poll(find, { timeout: 15_000 }).toEqual(["cancelled"]);
    expect(proxy.output.filter((line) => line.includes('"level":50'))).toEqual([]);
  });
});
