/**
 * Clients that say with their request that they will send nothing more, and read on. On the wire
 * one that has left looks the same, until something is sent to it: so it is sent `102 Processing`,
 * which every client of HTTP/1.1 has to ignore before an answer, and which breaks a connection that
 * nobody reads.
 */
import type { Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { OpenConnections } from "./open-connections.ts";

/** When it is asked whether somebody still reads, in milliseconds since the client's last byte. */
const ASKED_AT_MS = [0, 20, 100, 500, 2000];
/** And from then on this often. Two are needed: the first is answered, the second hears of it. */
const THEN_EVERY_MS = 10_000;

/** Asks until the answer begins, or the connection breaks. */
function askWhetherSomebodyReads(socket: Socket, response: ServerResponse): void {
  let asked = 0;
  const ask = (): void => {
    if (response.headersSent || socket.destroyed) return;
    response.writeProcessing();
    const at = ASKED_AT_MS[asked] ?? 0;
    asked += 1;
    const next = ASKED_AT_MS[asked];
    const timer = setTimeout(ask, next === undefined ? THEN_EVERY_MS : next - at);
    response.once("close", () => clearTimeout(timer));
  };
  ask();
}

/** Lets clients of a server close their half of a connection before they have their answer. */
export function answerHalfClosed(server: Server, connections: OpenConnections): void {
  // Node's name for it (lib/_http_server.js), which its types do not have.
  Object.assign(server, { httpAllowHalfOpen: true });
  server.on("connection", (socket: Socket) => {
    socket.once("end", () => {
      const response = connections.responseOn(socket);
      if (response === undefined || response.writableFinished) return;
      // Who has seen the answer begin, and closes then, does not want the rest.
      if (response.headersSent) socket.destroy();
      else if (response.req.httpVersion === "1.1") askWhetherSomebodyReads(socket, response);
    });
  });
}
