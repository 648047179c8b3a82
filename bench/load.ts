/**
 * The load generator, as a process of its own: is sent a `Load` by its parent and answers with a
 * `LoadResult`. Whole answers are autocannon's work. Streams are read by a client of ours, which
 * sees each read of the socket.
 */
import autocannon from "autocannon";
import { stopWithParent } from "./start-program.ts";
import { openConnection, type Exchange } from "./stream-client.ts";

/** A fixed amount of requests. */
export interface Load {
  /**
   * `many`: by autocannon, for CPU time and throughput. `timed`: one client per connection that
   * times each answer.
   */
  kind: "many" | "timed";
  url: string;
  headers: Record<string, string>;
  body: string;
  requests: number;
  connections: number;
}

/**
 * What the clients saw. Times in microseconds; figures that a kind of load does not give are null.
 */
export interface LoadResult {
  error: string | null;
  seconds: number;
  requests: number;
  /** From the last byte of the request to the first byte of the answer's body: median. */
  firstByte: number | null;
  /** To the end of the answer: median. */
  duration: number;
  /** From upstream's write of a chunk to the client's read of it: median and 99th percentile. */
  delay: number | null;
  delay99: number | null;
  /** Reads of the socket per answer: how far chunks are kept apart. */
  reads: number | null;
}

const NOTHING = {
  seconds: 0,
  requests: 0,
  firstByte: null,
  duration: 0,
  delay: null,
  delay99: null,
  reads: null,
};

function percentile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

async function loadMany({ url, headers, body, requests, connections }: Load): Promise<LoadResult> {
  const durations: number[] = [];
  const started = performance.now();
  let ended = started;
  // Its own figures come in whole milliseconds, and its end is noticed once a second.
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const options = {
      url,
      headers,
      body,
      connections,
      amount: requests,
      method: "POST" as const,
      timeout: 30,
    };
    const run = autocannon(options, (error: Error | null, finished) =>
      error ? reject(error) : resolve(finished),
    );
    run.on("response", (...[, , , milliseconds]) => {
      durations.push(milliseconds * 1000);
      ended = performance.now();
    });
  });
  const failed = result.errors + result.non2xx;
  return {
    ...NOTHING,
    error:
      failed > 0
        ? `${failed} of ${requests} requests failed (${result.non2xx} by their status)`
        : null,
    seconds: (ended - started) / 1000,
    requests: durations.length,
    duration: percentile(durations, 0.5),
  };
}

async function loadTimed({ url, headers, body, requests, connections }: Load): Promise<LoadResult> {
  const exchanges: Exchange[] = [];
  const started = performance.now();
  let left = requests;
  const client = async () => {
    const connection = await openConnection(new URL(url), { headers, body });
    while (left-- > 0) exchanges.push(await connection.send());
    connection.close();
  };
  await Promise.all(Array.from({ length: connections }, client));
  const delays = exchanges.flatMap((exchange) => exchange.delays);
  const refused = exchanges.filter(({ status }) => status !== 200).length;
  return {
    error: refused > 0 ? `${refused} of ${requests} requests were not answered with 200` : null,
    seconds: (performance.now() - started) / 1000,
    requests: exchanges.length,
    firstByte: percentile(
      exchanges.map((exchange) => exchange.firstByte),
      0.5,
    ),
    duration: percentile(
      exchanges.map((exchange) => exchange.duration),
      0.5,
    ),
    delay: delays.length === 0 ? null : percentile(delays, 0.5),
    delay99: delays.length === 0 ? null : percentile(delays, 0.99),
    reads: exchanges.reduce((sum, exchange) => sum + exchange.reads, 0) / exchanges.length,
  };
}

process.on("message", (load: Load) => {
  const done = load.kind === "many" ? loadMany(load) : loadTimed(load);
  void done
    .catch((error: unknown): LoadResult => ({ ...NOTHING, error: String(error) }))
    .then((result) => process.send?.(result));
});
stopWithParent();
// It listens to its parent, at no address; the line is what a program is waited for.
console.log("Listening on http://parent");
