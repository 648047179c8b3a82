/**
 * Responses that end before their time: the client sees a broken connection, and never our words.
 */
import type { ServerResponse } from "node:http";
import type { Logger } from "../platform.ts";
import { describeError } from "../store/describe-error.ts";

/** Ends a response's connection after what was written, without the end of its body. */
export function breakOff(outgoing: ServerResponse): void {
  const { socket } = outgoing;
  if (socket === null) outgoing.destroy();
  else socket.destroySoon();
}

/**
 * The response with a body that breaks the connection off where it fails. The adapter would print
 * what failed, and write it to the client as if it were the answer's end.
 */
export function shielded(answer: Response, outgoing: ServerResponse, logger: Logger): Response {
  if (answer.body === null) return answer;
  const reader = answer.body.getReader();
  let hasLeft = false;
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          // The body ends because its client has left, and its controller is closed already.
          if (hasLeft) return;
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          logger.error("A response was broken off", { error: describeError(error) });
          breakOff(outgoing);
          // The adapter waits for the body until it hears that the connection is closed.
          await new Promise((resolve) => outgoing.once("close", resolve));
        }
      },
      cancel(reason) {
        hasLeft = true;
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { status: answer.status, headers: answer.headers });
}
