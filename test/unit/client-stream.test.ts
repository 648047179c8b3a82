/** A stream that several write to at the same time. */
import { expect, it } from "vitest";
import { openClientStream } from "../../src/stream/client-stream.ts";

const PIECE = new Uint8Array(8);

it("lets all go on that waited for its client, not the last one alone", async () => {
  const stream = openClientStream(8);
  void stream.write(PIECE);
  const writers = Promise.all([stream.write(PIECE), stream.write(PIECE), stream.write(PIECE)]);
  const reader = stream.readable.getReader();
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("A writer waits for ever")), 2000);
  for (let count = 0; count < 4; count++) await reader.read();
  void reader.read();
  await Promise.race([writers, late]);
  clearTimeout(timer);
  stream.close();
  expect(stream.gone.aborted).toBe(false);
});
