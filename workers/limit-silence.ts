import { UpstreamFailure } from "../src/platform.ts";

/** A body that fails where nothing of it comes for longer than the limit, in milliseconds. */
export function limitSilence(
  body: ReadableStream<Uint8Array>,
  limitMs: number,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const silence = new UpstreamFailure("timeout", `Nothing came for ${limitMs} ms`);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const timer = setTimeout(() => {
          controller.error(silence);
          void reader.cancel(silence).catch(() => undefined);
        }, limitMs);
        try {
          const { done, value } = await reader.read();
          if (done) controller.close();
          else controller.enqueue(value);
        } finally {
          clearTimeout(timer);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
