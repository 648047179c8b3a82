import { responsesDialect } from "../dialects/responses/responses-dialect.ts";
import { openClientStream } from "../stream/client-stream.ts";
import { keepAlive } from "../turn/keep-alive.ts";
import { followBackground } from "../turn/replay-background.ts";
import { writeResponse } from "../turn/write-response.ts";
import type { TurnRequest } from "./in-turn.ts";

/**
 * Streams a response in the background. Who leaves changes nothing: the stream can be taken up
 * again.
 * @param after number of the last event that is known; -1: none
 */
export function streamBackground(
  { scope, key, turn }: Pick<TurnRequest, "scope" | "key" | "turn">,
  id: string,
  after: number,
): Response {
  const { platform, clientGone } = scope;
  const client = openClientStream(platform.maxUnreadBytes);
  const gone = AbortSignal.any([clientGone, client.gone]);
  const { keepAlive: comment, streamHeaders } = responsesDialect;
  const write = async (): Promise<void> => {
    const alive = keepAlive(client, { comment, noticesLeavingMs: platform.noticesLeavingMs });
    try {
      const place = { apiKeyId: key.id, id };
      const following = { after, gone, ending: scope.ending };
      for await (const event of followBackground(platform, place, following)) {
        const written = client.write(event);
        if (written) await written;
      }
    } finally {
      alive.end();
      client.close();
    }
  };
  scope.waitUntil(write());
  const response = { status: 200, headers: streamHeaders, body: client.readable };
  return writeResponse(scope, response, turn.headers);
}
