/**
 * One upstream for all runs of a property: it answers each run, and each round of it, as the run's
 * script says.
 */
import { setImmediate, setTimeout } from "node:timers/promises";
import type { Write } from "./random-rounds-spelled.ts";
import { json, startUpstream, type Answer } from "./upstream.ts";

type Json = Record<string, unknown>;

/** One run of a property. */
export interface Run {
  /** The first message of each of its requests. */
  message: Json;
  /** What upstream was sent for each round, streamed and whole. */
  sent: { streamed: Json[]; whole: Json[] };
  /** One for each request: resolves when the exchange is over. */
  exchanges: Promise<void>[];
}

/** One request of a run. */
interface Asked {
  /** Which of the run's streamed, or whole, requests it is: from 0. */
  round: number;
  streamed: boolean;
  messages: Json[];
}

/** Gives the answer to each request of a run. */
export type Script = (asked: Asked) => Answer | undefined;

/** Starts the upstream of a property. */
export async function startRunsUpstream(): Promise<{ url: string; start(script: Script): Run }> {
  const runs = new Map<unknown, Run & { script: Script }>();
  const upstream = await startUpstream(async (request, response) => {
    const body = request.json();
    const messages = body["messages"] as Json[];
    const run = runs.get(messages[0]?.["content"]);
    if (run === undefined) throw new Error(`No run has the message ${JSON.stringify(messages[0])}`);
    const streamed = body["stream"] === true;
    const round = run.sent[streamed ? "streamed" : "whole"].push(body) - 1;
    const answer =
      run.script({ round, streamed, messages }) ??
      json({ error: { message: "the script has no such round" } }, 500);
    run.exchanges.push(new Promise((over) => response.once("close", over)));
    await answer(request, response);
  });
  return {
    url: upstream.url,
    start: (script) => {
      upstream.requests.length = 0;
      const content = `run ${runs.size}`;
      const run = {
        message: { role: "user", content },
        sent: { streamed: [], whole: [] },
        exchanges: [],
        script,
      };
      runs.set(content, run);
      return run;
    },
  };
}

/** How a stream is left: it ends, it breaks, or it goes on for ever in silence. */
export type Ending = "ends" | "breaks" | "stays open";

/** A stream of these writes. */
export function writesOf(writes: Write[], ending: Ending): Answer {
  return async (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const { bytes, pauseMs } of writes) {
      if (response.destroyed) return;
      response.write(bytes);
      await (pauseMs > 0 ? setTimeout(pauseMs) : setImmediate());
    }
    if (ending === "ends") response.end();
    if (ending === "breaks") response.destroy();
  };
}
