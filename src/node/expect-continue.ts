import type { IncomingMessage, Server, ServerResponse } from "node:http";

/**
 * Says `100 Continue` when somebody begins to read a request's body, and not before: who is refused
 * without it need not send it.
 */
export function continueWhenRead(server: Server): void {
  server.on("checkContinue", (incoming: IncomingMessage, outgoing: ServerResponse) => {
    // By this name streams have what begins to read: there is no other place to hear of it.
    // oxlint-disable no-underscore-dangle
    const { _read: read } = incoming;
    incoming._read = (size) => {
      incoming._read = read;
      if (!outgoing.headersSent) outgoing.writeContinue();
      read.call(incoming, size);
    };
    // oxlint-enable no-underscore-dangle
    server.emit("request", incoming, outgoing);
  });
}
