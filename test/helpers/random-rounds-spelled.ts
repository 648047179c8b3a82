/**
 * A random round as upstream sends it, whole or as a stream. Nothing here is random: equal rounds
 * give equal bytes.
 */
import type { RandomCall, RandomRound, Spelling, Tape } from "./random-rounds.ts";
import { chunk } from "./upstream.ts";

type Json = Record<string, unknown>;

/** One write of a stream, and how long it is waited for after it, in milliseconds. */
export interface Write {
  bytes: Uint8Array;
  pauseMs: number;
}

/** Gives the name that a tool has in the test. */
type NameOf = (tool: string) => string;

/** Draws a number below `limit`. */
type Choose = (limit: number) => number;

function reader(tape: Tape): Choose {
  let at = 0;
  return (limit) => (tape.length === 0 ? 0 : (tape[at++ % tape.length] ?? 0) % limit);
}

const asCall = ({ id, tool, arguments: text }: RandomCall, nameOf: NameOf): Json => ({
  id,
  type: "function",
  function: { name: nameOf(tool), arguments: text },
});

/** A round as a whole completion. */
export function wholeCompletion(
  { texts, calls, finishReason, usage }: RandomRound,
  nameOf: NameOf,
): Json {
  const present = Object.entries(texts).filter(
    ([field, value]) => field === "content" || value !== null,
  );
  const message = {
    role: "assistant",
    ...Object.fromEntries(present),
    ...(calls.length === 0 ? {} : { tool_calls: calls.map((call) => asCall(call, nameOf)) }),
  };
  return {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1_700_000_000,
    model: "gpt-test",
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason }],
    ...(usage === null ? {} : { usage }),
  };
}

/** A text as deltas. Empty ones come in between, and a surrogate pair may be cut in two. */
function cutText(text: string, choose: Choose): string[] {
  const parts: string[] = [];
  let rest = text;
  while (rest !== "") {
    const size = choose(8);
    if (size === 7) parts.push("");
    const part = size === 0 ? rest : rest.slice(0, size);
    parts.push(part);
    rest = rest.slice(part.length);
  }
  return parts.length === 0 ? [""] : parts;
}

function callDeltas(call: Json, index: number, choose: Choose): Json[] {
  const { name, arguments: text } = call["function"] as { name: string; arguments: string };
  const [first = "", ...parts] = cutText(text, choose);
  // OpenAI's first fragment has no arguments yet; other servers' has.
  const [start, rest] = choose(2) === 0 ? ["", [first, ...parts]] : [first, parts];
  const fragment = (fields: Json) => ({ tool_calls: [{ index, ...fields }] });
  return [
    fragment({ ...call, function: { name, arguments: start } }),
    ...rest.map((part) => fragment({ function: { arguments: part } })),
  ];
}

/** Deltas of one text, or of one call, which must stay in their order. */
interface Lane {
  deltas: Json[];
  begun: boolean;
  isCall: boolean;
}

/**
 * Takes the next delta of some lane. Calls begin in the model's order, as every upstream's do, and
 * are mixed after that.
 */
function takeFrom(lanes: Lane[], choose: Choose): Json | undefined {
  const nextCall = lanes.find(({ isCall, begun }) => isCall && !begun);
  const open = lanes.filter(
    (lane) => lane.deltas.length > 0 && (lane.begun || !lane.isCall || lane === nextCall),
  );
  const lane = open[choose(Math.max(open.length, 1))];
  if (lane === undefined) return undefined;
  lane.begun = true;
  return lane.deltas.shift();
}

/** The deltas of a round in some order: within one text and within one call it is the model's. */
function deltasOf({ texts, calls, spelling }: RandomRound, nameOf: NameOf): Json[] {
  const [order, cuts] = [reader(spelling.order), reader(spelling.cuts)];
  const present = Object.entries(texts).filter(
    (entry): entry is [string, string] => entry[1] !== null,
  );
  const lane = (deltas: Json[], isCall: boolean): Lane => ({ deltas, isCall, begun: false });
  const lanes = [
    ...present.map(([field, text]) =>
      lane(
        cutText(text, cuts).map((part) => ({ [field]: part })),
        false,
      ),
    ),
    ...calls.map((call, index) => lane(callDeltas(asCall(call, nameOf), index, cuts), true)),
  ];
  const deltas: Json[] = [{ role: "assistant", ...(order(2) === 0 ? { content: null } : {}) }];
  for (let next = takeFrom(lanes, order); next !== undefined; next = takeFrom(lanes, order)) {
    const joined = order(4) === 3 ? together(deltas.at(-1) ?? {}, next) : null;
    if (joined !== null) deltas[deltas.length - 1] = joined;
    else deltas.push(order(5) === 4 && !("content" in next) ? { content: null, ...next } : next);
  }
  return deltas;
}

/** Two deltas as one, or null where they say something of the same text or call. */
function together(first: Json, second: Json): Json | null {
  const fragments = [first, second].flatMap(
    (delta) => (delta["tool_calls"] ?? []) as { index: number }[],
  );
  if (new Set(fragments.map(({ index }) => index)).size < fragments.length) return null;
  if (
    Object.keys(second).some((field) => field !== "tool_calls" && typeof first[field] === "string")
  )
    return null;
  return { ...first, ...second, ...(fragments.length === 0 ? {} : { tool_calls: fragments }) };
}

/** The payloads of a round's stream, in order. */
export function streamPayloads(round: RandomRound, nameOf: NameOf): string[] {
  const { finishReason, usage, spelling } = round;
  const deltas = deltasOf(round, nameOf);
  if (spelling.finishIn === "own chunk") deltas.push({});
  const partial =
    usage === null
      ? null
      : {
          prompt_tokens: usage["prompt_tokens"],
          completion_tokens: 0,
          total_tokens: usage["prompt_tokens"],
        };
  const usageAt = (last: boolean): Json => {
    if (usage === null) return {};
    if (spelling.usageIn === "own chunk") return { usage: null };
    if (last) return { usage };
    return spelling.usageIn === "every chunk" ? { usage: partial } : {};
  };
  const chunks = deltas.map((delta, index) => {
    const last = index === deltas.length - 1;
    return chunk(delta, last ? finishReason : null, usageAt(last));
  });
  if (usage !== null && spelling.usageIn === "own chunk")
    chunks.push({ ...chunk({}), choices: [], usage });
  return [
    ...chunks.map((one) => JSON.stringify(one)),
    ...(spelling.done === "no" ? [] : ["[DONE]"]),
  ];
}

/**
 * Payloads as server-sent events:
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 */
export function spellEvents(
  payloads: string[],
  { lines, lineEnd, byteOrderMark }: Spelling,
): string[] {
  const choose = reader(lines);
  return payloads.map((payload, index) => {
    const around =
      ["", `: comment${lineEnd}`, `:${lineEnd}${lineEnd}`, `id: ${index}${lineEnd}`, ""][
        choose(5)
      ] ?? "";
    const space = choose(3) === 2 ? "" : " ";
    // A break between two members of the object: its lines are joined by the reader.
    const broken = choose(6) === 5 ? payload.replace(/^\{/, `{${lineEnd}data:${space}`) : payload;
    const mark = byteOrderMark && index === 0 ? "\uFEFF" : "";
    return `${mark}${around}data:${space}${broken}${lineEnd}${lineEnd}`;
  });
}

/** Bytes cut anywhere: in characters, in line ends. */
export function cutBytes(bytes: Uint8Array, { bytes: tape }: Spelling): Write[] {
  const choose = reader(tape);
  const writes: Write[] = [];
  for (let from = 0; from < bytes.length;) {
    const value = choose(256);
    const size = value === 0 ? bytes.length : value < 100 ? 1 + (value % 7) : value;
    writes.push({
      bytes: bytes.subarray(from, from + size),
      pauseMs: value >= 245 ? value % 4 : 0,
    });
    from += size;
  }
  return writes;
}
