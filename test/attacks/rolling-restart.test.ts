/**
 * Two replicas that are restarted one after the other, behind a balancer that tries again only what
 * was refused at its connection.
 */
import { once } from "node:events";
import { rmSync } from "node:fs";
import { Agent, request, type IncomingMessage } from "node:http";
import { createServer, type AddressInfo } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { adminCall, makeDataDirectory } from "../helpers/own-proxy.ts";
import { startPostgres } from "../helpers/postgres-server.ts";
import { startNodeProxy, type StartedProcess } from "../helpers/start-target.ts";
import { stormLength } from "../helpers/storm-length.ts";
import { chunk, completion, startUpstream, type Answer } from "../helpers/upstream.ts";

const CLIENTS = 16;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  return port;
}

/** Every fifth answer is a stream of half a second, the others are whole. */
const answer: Answer = async (asked, response) => {
  if (asked.json()["stream"] !== true) return completion({ content: "here" })(asked, response);
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (let at = 0; at < 5; at += 1) {
    response.write(`data: ${JSON.stringify(chunk({ content: "x" }))}\n\n`);
    await pause(100);
  }
  response.end(`data: ${JSON.stringify(chunk({}, "stop"))}\n\ndata: [DONE]\n\n`);
};

/** One place that the balancer knows, with connections that it keeps. */
interface Place {
  port: number;
  agent: Agent;
}

/** Asks at one place; rejects as the connection does. */
function askAt({ port, agent }: Place, key: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const asked = request(
      { host: "127.0.0.1", port, path: "/v1/chat/completions", method: "POST", agent, headers },
      (response: IncomingMessage) => {
        let text = "";
        response.setEncoding("utf8").on("data", (part: string) => (text += part));
        response.once("error", reject);
        response.once("end", () => resolve(`${response.statusCode} ${text}`));
      },
    );
    asked.once("error", reject);
    asked.end(body);
  });
}

/** The balancer: the next place in turn, and another one only where a connection was refused. */
async function ask(places: Place[], turn: number, key: string, body: string): Promise<string> {
  for (let attempt = 0; ; attempt += 1) {
    const place = places[(turn + attempt) % places.length];
    if (place === undefined) throw new Error("There is no place");
    try {
      return await askAt(place, key, body);
    } catch (error) {
      const isRefused = (error as NodeJS.ErrnoException).code === "ECONNREFUSED";
      if (!isRefused || attempt >= places.length) throw error;
    }
  }
}

it("no request fails while replicas are restarted one after the other", async () => {
  const postgres = await startPostgres();
  onTestFinished(postgres.stop);
  const databaseUrl = await postgres.createDatabase();
  const upstream = await startUpstream(answer);
  const directories = [makeDataDirectory(), makeDataDirectory()];
  const ports = [await freePort(), await freePort()];
  const running: StartedProcess[] = [];
  const start = async (index: number) => {
    running[index] = await startNodeProxy({
      DATA_DIR: directories[index] ?? "",
      DATABASE_URL: databaseUrl,
      PORT: String(ports[index]),
    });
  };
  onTestFinished(async () => {
    for (const one of running) await one.stop("SIGKILL");
    for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  });
  await start(0);
  await start(1);
  const places = ports.map((port) => ({ port, agent: new Agent({ keepAlive: true }) }));
  const fields = { name: "rolled", openaiBaseUrl: upstream.url };
  const url = running[0]?.captured ?? "";
  const { key } = await adminCall<{ key: string }>(url, "/api-keys", fields);

  const total = stormLength({ ci: 1000, soak: 10_000 });
  const restarts = stormLength({ ci: 2, soak: 12 });
  const state = { sent: 0, isRolling: true };
  const failures: string[] = [];
  const client = async () => {
    while (state.sent < total || state.isRolling) {
      const turn = state.sent;
      state.sent += 1;
      const isStream = turn % 5 === 0;
      const body = JSON.stringify({ model: "m", stream: isStream, messages: [] });
      const said = await ask(places, turn, key, body).catch((error: unknown) => String(error));
      const isAnswer = said.startsWith("200 ") && said.includes(isStream ? "[DONE]" : "here");
      if (!isAnswer) failures.push(said);
      // Connections are idle now and then, as they are behind a balancer.
      await pause(turn % 40);
    }
  };
  const clients = Array.from({ length: CLIENTS }, client);
  for (let restart = 0; restart < restarts; restart += 1) {
    await running[restart % 2]?.stop("SIGTERM");
    await start(restart % 2);
    await pause(500);
  }
  state.isRolling = false;
  await Promise.all(clients);
  for (const { agent } of places) agent.destroy();
  expect(failures).toEqual([]);
  expect(state.sent).toBeGreaterThanOrEqual(total);
});
