import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withinLimit } from "../../src/store/within-limit.ts";

/** Answers over a socket from another thread, as a database does: whatever this one is busy with. */
let thread: Worker;
let socket: Socket;
beforeAll(async () => {
  thread = new Worker(
    `const { parentPort } = require("node:worker_threads");
     const server = require("node:net").createServer((socket) => {
       socket.on("data", (ms) => setTimeout(() => socket.write("answer"), Number(ms)));
     });
     server.listen(0, "127.0.0.1", () => parentPort.postMessage(server.address().port));`,
    { eval: true },
  );
  const [port] = (await once(thread, "message")) as [number];
  socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
});
afterAll(async () => {
  socket.destroy();
  await thread.terminate();
});

/** The request is on its way when this returns. */
async function answerAfter(ms: number): Promise<{ answer: Promise<string> }> {
  const answer = once(socket, "data").then(([bytes]) => String(bytes));
  await new Promise<void>((resolve) => socket.write(String(ms), () => resolve()));
  return { answer };
}

function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

describe("a wait for the database", () => {
  it("gets an answer that came in time, though the event loop was busy until after it", async () => {
    const { answer } = await answerAfter(20);
    const waiting = withinLimit(answer, 200);
    block(500);
    expect(await waiting).toBe("answer");
  });

  it("gets it though the loop was busy just before the end, and for several times", async () => {
    const late = await answerAfter(250);
    setTimeout(() => block(600), 220);
    expect(await withinLimit(late.answer, 400)).toBe("answer");
    const often = await answerAfter(400);
    const waiting = withinLimit(often.answer, 300);
    for (const start of [0, 1, 2]) setTimeout(() => block(250), start);
    expect(await waiting).toBe("answer");
  });

  it("ends by its limit where no answer comes, soon after it where the loop is busy", async () => {
    const startedAt = performance.now();
    await expect(withinLimit(new Promise(() => {}), 200)).rejects.toThrow(
      "The database did not answer within 200 ms",
    );
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(195);
    const busy = setInterval(() => block(60), 1);
    const busySince = performance.now();
    await expect(withinLimit(new Promise(() => {}), 200)).rejects.toThrow("within 200 ms");
    clearInterval(busy);
    expect(performance.now() - busySince).toBeLessThan(5000);
  });

  it("fails with the database's own failure, and leaves no timer behind", async () => {
    const failed = withinLimit(Promise.reject(new Error("no such table")), 60_000);
    await expect(failed).rejects.toThrow("no such table");
  });
});
