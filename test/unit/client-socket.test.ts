import { EventEmitter } from "node:events";
import { afterEach, expect, it, vi } from "vitest";
import type { WebSocket } from "ws";
import { clientSocket } from "../../src/node/client-socket.ts";

afterEach(() => void vi.useRealTimers());

/** A WebSocket that notes what is done to it. */
class FakeSocket extends EventEmitter {
  done: string[] = [];
  bufferedAmount = 0;
  flush: () => void = () => undefined;
  ping = () => void this.done.push("ping");
  pause = () => void this.done.push("pause");
  resume = () => void this.done.push("resume");
  close = (code: number) => void this.done.push(`close ${code}`);
  send = (text: string, sent: () => void) => {
    this.bufferedAmount += text.length;
    this.flush = sent;
  };
}

const open = (maxUnreadBytes = 10) => {
  const fake = new FakeSocket();
  return { fake, socket: clientSocket(fake as unknown as WebSocket, maxUnreadBytes) };
};

it("pings every 15 s, until the connection has ended", () => {
  vi.useFakeTimers();
  const { fake } = open();
  vi.advanceTimersByTime(46_000);
  expect(fake.done).toEqual(["ping", "ping", "ping"]);
  fake.emit("close");
  vi.advanceTimersByTime(60_000);
  expect(fake.done).toHaveLength(3);
});

it("reads nothing more while a message waits to be taken", async () => {
  const { fake, socket } = open();
  const taken = socket.receive();
  fake.emit("message", Buffer.from("one"), false);
  expect(await taken).toBe("one");
  fake.emit("message", Buffer.from("two"), true);
  expect(fake.done).toEqual(["resume", "pause"]);
  expect(await socket.receive()).toEqual(Buffer.from("two"));
  const last = socket.receive();
  fake.emit("close");
  expect([await last, await socket.receive()]).toEqual([null, null]);
  expect(socket.gone.aborted).toBe(true);
});

it("holds up who sends where its client has too much to read", async () => {
  const { fake, socket } = open(10);
  expect(socket.send("0123456789")).toBeUndefined();
  const held = socket.send("0");
  expect(held).toBeInstanceOf(Promise);
  fake.flush();
  await held;
});
