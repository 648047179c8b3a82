/**
 * What holds of every turn of the Responses API, tried on random ones, whose streams are cut
 * anywhere and spelled as no one should. A failure prints the smallest turn that fails, its seed
 * and its path.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";
import { askResponse, type SeenResponse } from "../helpers/response-turn.ts";
import {
  eventText,
  functionCall,
  message,
  reasoning,
  refusal,
  responseEvents,
  responseOf,
} from "../helpers/responses-upstream.ts";
import { startUpstream } from "../helpers/upstream.ts";

type Json = Record<string, unknown>;

const RUNS = 60;
/** Time for fast-check to find the smallest failure, in milliseconds. */
const LIMIT_MS = 60_000;
const limits = { numRuns: RUNS, interruptAfterTimeLimit: LIMIT_MS - 15_000 };

/** Events that some servers leave out. */
const LEFT_OUT = [
  "response.created",
  "response.in_progress",
  "response.output_item.added",
  "response.output_item.done",
  "response.content_part.added",
  "response.content_part.done",
  "response.output_text.delta",
  "response.output_text.done",
  "response.refusal.done",
  "response.function_call_arguments.delta",
  "response.function_call_arguments.done",
  "response.reasoning_summary_part.added",
  "response.reasoning_summary_part.done",
  "response.reasoning_summary_text.done",
];

/** How a round's stream is spelled. */
interface Spelling {
  leftOut: string[];
  /** Whether pieces name their item by another id than its announcement. */
  isRenamed: boolean;
  /** Whether items have no ids at all. */
  isNameless: boolean;
  lineEnd: "\n" | "\r\n";
  /** Where the bytes are cut into writes. */
  cuts: number[];
  isDone: boolean;
}

interface RandomRound {
  items: ((name: string) => Json)[];
  spelling: Spelling;
}

const text = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12 }),
  fc.constantFrom("🙂 data: [DONE]\n\n", "é\r\n中", "\u2028event: error", '"}'),
);
const args = fc
  .dictionary(fc.string({ maxLength: 3 }), fc.jsonValue({ maxDepth: 1 }), { maxKeys: 2 })
  .map((value) => JSON.stringify(value));

let calls = 0;
const callId = () => `call_${String(++calls)}`;

const said = fc.oneof(
  text.map((value) => () => message(value)),
  text.map((value) => () => refusal(value)),
  fc.option(text, { nil: "" }).map((value) => () => reasoning(value)),
);
const serverCall = args.map((value) => (name: string) => functionCall(callId(), name, value));
const clientCall = args.map((value) => () => functionCall(callId(), "ask_user", value));

/** Whether something tells of each item in its place. */
const isTold = (leftOut: string[]): boolean =>
  !["added", "done"].every((what) => leftOut.includes(`response.output_item.${what}`));

const spelling: fc.Arbitrary<Spelling> = fc.record({
  leftOut: fc.subarray(LEFT_OUT, { maxLength: 5 }).filter(isTold),
  isRenamed: fc.boolean(),
  isNameless: fc.boolean(),
  lineEnd: fc.constantFrom("\n" as const, "\r\n" as const),
  cuts: fc.array(fc.nat(4000), { maxLength: 6 }),
  isDone: fc.boolean(),
});

const roundOf = (items: fc.Arbitrary<RandomRound["items"]>): fc.Arbitrary<RandomRound> =>
  fc.record({ items, spelling });
const anyOf = (...kinds: fc.Arbitrary<RandomRound["items"][number]>[]) => fc.oneof(...kinds);

const hiddenRound = roundOf(
  fc
    .tuple(fc.array(said, { maxLength: 2 }), fc.array(serverCall, { minLength: 1, maxLength: 3 }))
    .map(([first, then]) => [...first, ...then]),
);
const lastRound = roundOf(fc.array(anyOf(said, clientCall), { minLength: 1, maxLength: 3 }));
const mixedRound = roundOf(
  fc
    .tuple(serverCall, clientCall, fc.array(said, { maxLength: 1 }))
    .map(([server, client, first]) => [...first, server, client]),
);
const turn = fc
  .tuple(fc.array(hiddenRound, { maxLength: 2 }), fc.oneof(lastRound, mixedRound))
  .map(([rounds, last]) => [...rounds, last]);

/** An event as a careless server spells it. */
function careless(event: Json, { isRenamed, isNameless }: Spelling): Json {
  const isPiece = "item_id" in event;
  if (isPiece && isNameless) return { ...event, item_id: undefined };
  if (isPiece && isRenamed) return { ...event, item_id: `other_${String(event["item_id"])}` };
  return event;
}

const withoutId = ({ id: _id, ...item }: Json): Json => item;

/** A round's stream, in writes. */
function writesOf(response: Json, round: Spelling): Uint8Array[] {
  const events = responseEvents(response)
    .filter(({ type }) => !round.leftOut.includes(String(type)))
    .map((event) => eventText(careless(event, round)));
  const ended = round.isDone ? [...events, "data: [DONE]\n\n"] : events;
  const bytes = new TextEncoder().encode(ended.join("").replaceAll("\n", round.lineEnd));
  const cuts = [0, ...round.cuts.toSorted((a, b) => a - b), bytes.byteLength];
  return cuts.slice(1).map((cut, index) => bytes.slice(cuts[index], cut));
}

/** One run: what the model says in each round, and what it was sent. */
interface Run {
  outputs: Json[][];
  spellings: Spelling[];
  sent: { streamed: Json[]; whole: Json[] };
}

/** What says nothing: ids that are made for each answer. */
const plain = (items: Json[]): Json[] => items.map(withoutId);

it(
  "is the same streamed and whole, whatever the model says and however its stream is spelled",
  { timeout: LIMIT_MS },
  async () => {
    const fields = {
      type: "function",
      parameters: { type: "object", properties: {} },
      implementation: "return args;",
    };
    const { id, name } = await proxy.createTool({ ...fields, name: "server" });
    const runs = new Map<unknown, Run>();
    const upstream = await startUpstream(async (request, response) => {
      const body = request.json();
      const [first] = body["input"] as Json[];
      const run = runs.get(first?.["content"]);
      if (run === undefined) throw new Error("No such run");
      const isStream = body["stream"] === true;
      const number = run.sent[isStream ? "streamed" : "whole"].push(body) - 1;
      const spelled = run.spellings[number];
      const output = run.outputs[number] ?? [];
      const answer = responseOf(body, spelled?.isNameless ? output.map(withoutId) : output);
      if (!isStream || spelled === undefined) {
        response.writeHead(200, { "content-type": "application/json" });
        response.end(JSON.stringify(answer));
        return;
      }
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const bytes of writesOf(answer, spelled)) {
        response.write(bytes);
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    });
    const { key } = await proxy.createKey({ toolIds: [id], openaiBaseUrl: upstream.url });
    const ask = (content: string, stream: boolean): Promise<SeenResponse> =>
      askResponse({ key }, { input: [{ role: "user", content }], stream });
    const isSame = async (rounds: RandomRound[]): Promise<void> => {
      upstream.requests.length = 0;
      const content = `run ${runs.size}`;
      const run: Run = {
        outputs: rounds.map(({ items }) => items.map((make) => make(name))),
        spellings: rounds.map((round) => round.spelling),
        sent: { streamed: [], whole: [] },
      };
      runs.set(content, run);
      const [streamed, whole] = await Promise.all([ask(content, true), ask(content, false)]);
      expect(plain(streamed.output)).toEqual(plain(whole.output));
      expect(streamed["usage"]).toEqual(whole["usage"]);
      expect(streamed["status"]).toBe("completed");
      expect(whole["status"]).toBe("completed");
      expect(run.sent.whole).toHaveLength(rounds.length);
      const inputs = (bodies: Json[]) => bodies.map(({ input }) => plain(input as Json[]));
      expect(inputs(run.sent.streamed)).toEqual(inputs(run.sent.whole));
      const said = run.outputs.flat();
      expect(whole.output.map(({ type }) => type)).toEqual(
        said.map((item) => (item["name"] === name ? "mcp_call" : item["type"])),
      );
    };
    await fc.assert(fc.asyncProperty(turn, isSame), limits);
  },
);
