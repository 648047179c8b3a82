import { expect, it } from "vitest";
import { keyWithAdd, streamed } from "../helpers/chat-turn.ts";
import { chunk } from "../helpers/upstream.ts";

it("keeps a byte order mark that the model wrote, wherever its stream is cut", async () => {
  const payloads = [
    chunk({ role: "assistant", content: "\uFEFFa" }),
    chunk({ content: "b\uFEFF" }),
    chunk({}, "stop"),
  ];
  const bytes = new TextEncoder().encode(
    `${payloads.map((one) => `data: ${JSON.stringify(one)}\n\n`).join("")}data: [DONE]\n\n`,
  );
  const key = await keyWithAdd(() => [
    async (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (let at = 0; at < bytes.length;) {
        // Each mark begins a piece of its own, as it arrives.
        const mark = bytes.indexOf(0xef, at + 1);
        const end = mark === -1 ? bytes.length : mark;
        response.write(bytes.subarray(at, end));
        await new Promise((resolve) => setTimeout(resolve, 50));
        at = end;
      }
      response.end();
    },
  ]);
  expect((await streamed(key)).content).toBe("\uFEFFab\uFEFF");
});
