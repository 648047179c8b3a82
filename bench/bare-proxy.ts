/**
 * The baseline, "B" in every ratio: the least that a proxy on Node does, as a process of its own.
 * `UPSTREAM=http://127.0.0.1:… node bench/bare-proxy.ts` prints its URL. node:http in front,
 * undici's `Pool.request` behind, the request's body gathered, the answer piped. No key, no record,
 * no header policy.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream";
import { Pool } from "undici";
import { stopWithParent } from "./start-program.ts";

const upstream = process.env["UPSTREAM"];
if (upstream === undefined)
  throw new Error("bare-proxy.ts needs UPSTREAM, the address of the mock upstream");
const pool = new Pool(upstream, { headersTimeout: 0, bodyTimeout: 0 });

async function forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const {
    host: _host,
    connection: _connection,
    "content-length": _length,
    ...headers
  } = request.headers;
  const answer = await pool.request({
    method: "POST",
    path: request.url ?? "/",
    headers,
    body: Buffer.concat(parts),
  });
  const {
    connection: _upstream,
    "keep-alive": _keepAlive,
    "transfer-encoding": _encoding,
    ...answered
  } = answer.headers;
  response.writeHead(answer.statusCode, answered);
  pipeline(answer.body, response, (error) => {
    if (error) console.error(`A piped answer failed: ${error.message}`);
  });
}

const server = createServer({ keepAliveTimeout: 65_000 }, (request, response) => {
  forward(request, response).catch((error: unknown) => {
    console.error(`A request failed: ${String(error)}`);
    response.writeHead(502).end();
  });
}).listen(0, "127.0.0.1", () => {
  console.log(`Listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
stopWithParent();
