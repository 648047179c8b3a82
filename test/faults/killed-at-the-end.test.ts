/** The record of an answer is safe before the client has its last byte, however long the record is. */
import { once } from "node:events";
import { request as ask, type IncomingMessage } from "node:http";
import { expect, it } from "vitest";
import { keyWithTools } from "../helpers/own-tools.ts";
import { startRounds } from "../helpers/mixed-upstream.ts";
import { adminCall, dataDirectory } from "../helpers/own-proxy.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

/** Longer than what the spool writes while the event loop waits (256 KB). */
const TEXT = "a long answer ".repeat(50_000);

interface Detail {
  title: string;
  status: string;
  messages: { role: string; content: string }[];
}

/** Asks, reads all, and calls `ended` in the very turn of the event loop in which the answer ends. */
async function readToTheEnd(
  url: string,
  { key, stream }: { key: string; stream: boolean },
  ended: () => void,
): Promise<void> {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const request = ask(`${url}/v1/chat/completions`, { method: "POST", headers });
  const content = stream ? "streamed" : "whole";
  request.end(JSON.stringify({ model: "gpt-4o", stream, messages: [{ role: "user", content }] }));
  const [response] = (await once(request, "response")) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  response.once("end", ended).resume();
  await once(response, "end");
}

it.each([false, true])(
  "a long answer is on record when the proxy is killed at its last byte, streamed: %s",
  async (stream) => {
    const directory = dataDirectory();
    const first = await directory.start();
    const tool = { name: "unused", type: "function", implementation: "return 1;" };
    const upstream = stream
      ? await startRounds({ text: TEXT })
      : await startUpstream(completion({ content: TEXT }));
    const { key } = await keyWithTools(first.captured, stream ? [tool] : [], {
      openaiBaseUrl: upstream.url,
    });
    await readToTheEnd(first.captured, { key, stream }, () => first.child.kill("SIGKILL"));
    await first.stop("SIGKILL");

    const second = await directory.start();
    const list = () => adminCall<{ data: { id: string }[] }>(second.captured, "/conversations");
    await expect.poll(async () => (await list()).data.length, { timeout: 20_000 }).toBe(1);
    const id = (await list()).data[0]?.id ?? "";
    const detail = await adminCall<Detail>(second.captured, `/conversations/${id}`);
    expect(detail.status).toBe("completed");
    const answer = detail.messages.find(({ role }) => role === "assistant");
    expect(answer?.content === TEXT, "the whole answer is there").toBe(true);
  },
);
