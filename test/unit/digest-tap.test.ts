import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { startHash } from "../../src/node/hash.ts";
import { openDigestTap } from "../../src/stream/digest-tap.ts";

const streamOf = (chunks: Uint8Array[]) =>
  new ReadableStream<Uint8Array>({
    start: (controller) => {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });

const wholeOf = async (stream: ReadableStream<Uint8Array>) =>
  Buffer.from(await new Response(stream).arrayBuffer());

describe("A body that streams up", () => {
  it("is counted and hashed, and passes as it is", async () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(chunks, async (parts) => {
        const tap = openDigestTap(streamOf(parts), startHash());
        const passed = await wholeOf(tap.readable);
        const whole = Buffer.concat(parts);
        const sha256 = createHash("sha256").update(whole).digest("hex");
        expect(passed).toEqual(whole);
        expect(tap.digest()).toEqual({ sha256, bytes: whole.length });
      }),
      { numRuns: 50 },
    );
  });

  it("is not read before it is wanted, and no faster", async () => {
    let pulled = 0;
    const source = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          pulled += 1;
          controller.enqueue(new Uint8Array(1000));
        },
      },
      { highWaterMark: 0 },
    );
    const reader = openDigestTap(source, startHash()).readable.getReader();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(pulled).toBeLessThanOrEqual(1);
    await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(pulled).toBeLessThanOrEqual(2);
    await reader.cancel();
  });

  it("tells what has crossed when it breaks off", async () => {
    const source = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new Uint8Array(10)),
      pull: (controller) => controller.error(new Error("gone")),
    });
    const tap = openDigestTap(source, startHash());
    await expect(wholeOf(tap.readable)).rejects.toThrow("gone");
    expect(tap.digest().bytes).toBeLessThanOrEqual(10);
  });
});
