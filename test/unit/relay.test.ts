/** A stream that passes through while taps read along. */
import { describe, expect, it } from "vitest";
import { relay, type RelayEnd, type RelayTap } from "../../src/stream/relay.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Gives so many chunks, then ends, or fails; counts how many were taken. */
function sourceOf(count: number, failure?: Error) {
  const taken = { count: 0 };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        if (taken.count < count) {
          taken.count++;
          controller.enqueue(bytesOf("chunk "));
        } else if (failure === undefined) controller.close();
        else controller.error(failure);
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, taken };
}

const relayed = (stream: ReadableStream<Uint8Array>, taps: RelayTap[]) =>
  relay(stream, {
    maxUnreadBytes: Infinity,
    cancel: new AbortController(),
    breakOff: null,
    failureNotice: () => bytesOf("failed"),
    taps,
  });

describe("Who reads along", () => {
  it("slows upstream down where it falls behind", async () => {
    let catchUp = () => {};
    const behind = new Promise<void>((resolve) => (catchUp = resolve));
    const { stream, taken } = sourceOf(5);
    const slow: RelayTap = { onChunk: () => behind, onEnd: () => {} };
    const { readable } = relayed(stream, [slow]);
    await pause(20);
    expect(taken.count).toBe(1);
    catchUp();
    expect(await new Response(readable).text()).toBe("chunk ".repeat(5));
  });

  it.each([
    ["completed", undefined, "chunk chunk "],
    ["failed", new Error("broke off"), "chunk chunk failed"],
  ])("has kept what it must before the client sees that it %s", async (status, failure, text) => {
    const ends: RelayEnd["status"][] = [];
    const onEnd = async (end: RelayEnd) => {
      await pause(20);
      ends.push(end.status);
    };
    const taps = [1, 2].map(() => ({ onChunk: () => {}, onEnd }));
    const { readable } = relayed(sourceOf(2, failure).stream, taps);
    expect(await new Response(readable).text()).toBe(text);
    expect(ends).toEqual([status, status]);
  });
});
