/**
 * Sends the rounds of a scenario as OpenAI would: as chunks or as a completion, whichever it is
 * asked for.
 */
import { USAGE, type Call, type Json, type ModelRound } from "./loop-scenario.ts";

const HEAD = { id: "chatcmpl-1", created: 1_700_000_000, model: "gpt-test" };

const finishOf = ({ finish, calls }: ModelRound) =>
  finish ?? (calls === undefined ? "stop" : "tool_calls");

/** A round as a whole completion. */
export function wholeBody(round: ModelRound): string {
  const { text, reasoning, refusal, calls, usage = USAGE, logprobs, more } = round;
  const message = {
    role: "assistant",
    content: text ?? null,
    refusal: refusal ?? null,
    ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
    ...(calls === undefined
      ? {}
      : {
          tool_calls: calls.map(({ id, name, arguments: args }) => ({
            id,
            type: "function",
            function: { name, arguments: args },
          })),
        }),
  };
  return JSON.stringify({
    ...HEAD,
    object: "chat.completion",
    choices: [{ index: 0, message, logprobs: logprobs ?? null, finish_reason: finishOf(round) }],
    ...(usage === null ? {} : { usage }),
    ...more,
  });
}

/** A text in two pieces, cut between two characters. */
function pieces(text: string): string[] {
  const characters = Array.from(text);
  const middle = Math.ceil(characters.length / 2);
  return [characters.slice(0, middle), characters.slice(middle)]
    .map((part) => part.join(""))
    .filter((part) => part !== "");
}

function callDeltas({ id, name, arguments: args }: Call, index: number): Json[] {
  return [
    { tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] },
    ...pieces(args).map((piece) => ({ tool_calls: [{ index, function: { arguments: piece } }] })),
  ];
}

function deltasOf({ text, reasoning, refusal, calls }: ModelRound): Json[] {
  return [
    { role: "assistant", content: text === undefined ? null : "", refusal: null },
    ...pieces(reasoning ?? "").map((piece) => ({ reasoning_content: piece })),
    ...pieces(text ?? "").map((piece) => ({ content: piece })),
    ...pieces(refusal ?? "").map((piece) => ({ refusal: piece })),
    ...(calls ?? []).flatMap(callDeltas),
  ];
}

/** A round as a stream. @param asksUsage whether the request has `stream_options.include_usage` */
export function streamedBody(round: ModelRound, asksUsage: boolean): string {
  const { usage = USAGE, more } = round;
  const head = {
    ...HEAD,
    object: "chat.completion.chunk",
    ...more,
    ...(asksUsage && usage !== null ? { usage: null } : {}),
  };
  const firstText = deltasOf(round).findIndex(
    ({ content }) => typeof content === "string" && content !== "",
  );
  const chunks: Json[] = deltasOf(round).map((delta, order) => {
    const logprobs = order === firstText ? (round.logprobs ?? null) : null;
    return { ...head, choices: [{ index: 0, delta, logprobs, finish_reason: null }] };
  });
  chunks.push({
    ...head,
    choices: [{ index: 0, delta: {}, logprobs: null, finish_reason: finishOf(round) }],
  });
  if (asksUsage && usage !== null) chunks.push({ ...head, choices: [], usage });
  return [...chunks.map((chunk) => JSON.stringify(chunk)), "[DONE]"]
    .map((data) => `data: ${data}\n\n`)
    .join("");
}
