/** How workerd speaks to a database that a URL names, without a Hyperdrive. */
import { createServer, type AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { startPostgres, type TestPostgres } from "../helpers/postgres-server.ts";
import { startWorkerProcess, type Stop } from "../helpers/start-target.ts";

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
/** A TLS record of a handshake: https://www.rfc-editor.org/rfc/rfc8446#section-5.1 */
const HANDSHAKE = 22;

let server: TestPostgres;
let databaseUrl: string;
beforeAll(async () => {
  server = await startPostgres();
  databaseUrl = await server.createDatabase();
});
afterAll(() => server.stop());

async function databaseHealth(url: string): Promise<string> {
  const stops: Stop[] = [];
  onTestFinished(async () => {
    for (const stop of stops.toReversed()) await stop();
  }, 60_000);
  const differences = { hasHyperdrive: false, env: { DATABASE_URL: url } };
  const worker = await startWorkerProcess(databaseUrl, stops, differences);
  // Nobody can sign in without a database. What cannot serve anybody is 503, whoever asks.
  const { status } = await fetch(`${worker.captured}/health`);
  return status === 503 ? "down" : "ok";
}

it.each([
  ["", "ok"],
  ["?sslmode=prefer", "ok"],
  ["?sslmode=require", "down"],
])("a database without TLS and the URL's '%s': %s", async (query, status) => {
  expect(await databaseHealth(databaseUrl + query)).toBe(status);
});

it("a database with TLS is asked in it", async () => {
  const first = Promise.withResolvers<Buffer>();
  const hello = Promise.withResolvers<Buffer>();
  const fake = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", (bytes) => {
      first.resolve(bytes);
      socket.once("data", (after) => {
        hello.resolve(after);
        socket.destroy();
      });
      socket.write("S");
    });
  });
  await new Promise<void>((resolve) => fake.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void fake.close());
  const url = new URL(databaseUrl);
  url.port = String((fake.address() as AddressInfo).port);
  expect(await databaseHealth(`${url.href}?sslmode=require`)).toBe("down");
  expect(await first.promise).toEqual(SSL_REQUEST);
  expect((await hello.promise)[0]).toBe(HANDSHAKE);
});
