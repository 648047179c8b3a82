/**
 * Plays a scenario twice, streamed and whole, request by request: both must see the same and send
 * the same.
 */
import { expect } from "vitest";
import { readStream, readWhole, type SeenTurn } from "./chat-turn.ts";
import { checkHistory, transcriptOf } from "./loop-scenario-history.ts";
import { streamedBody, wholeBody } from "./loop-scenario-upstream.ts";
import { USAGE, type ClientTurn, type Json, type Scenario } from "./loop-scenario.ts";
import { specFaults } from "./openai-spec.ts";
import { proxy } from "./proxy.ts";
import { startUpstream, type Answer, type ScriptedUpstream } from "./upstream.ts";

/** What a client saw of a turn, and what upstream was sent for it. */
interface Played {
  seen: Json;
  /** Bodies as they were spelled, with the names of the scenario. */
  sent: string[];
}

/** One of the two clients of a scenario. */
interface Player {
  streams: boolean;
  /** Its key. */
  id: string;
  key: string;
  upstream: ScriptedUpstream;
  /** Real names of the tools by the scenario's. */
  names: Map<string, string>;
  /** What upstream says in this turn. */
  rounds: ModelRound[];
  /** The last body that upstream answered with. */
  answered: string;
  messages: Json[];
  answer: Json;
}
type ModelRound = ClientTurn["rounds"][number];

const FUNCTION = { type: "function", parameters: { type: "object", properties: {} } };

/** A text with the real names of tools instead of the scenario's, or the other way round. */
const named = (text: string, names: Iterable<[string, string]>) =>
  [...names].reduce((result, [from, to]) => result.replaceAll(from, to), text);

const shortened = (text: string, { names }: Player) =>
  named(
    text,
    [...names].map(([short, real]) => [real, short]),
  );

async function createTools({
  tools,
}: Scenario): Promise<Map<string, { id: string; name: string }>> {
  const created = new Map<string, { id: string; name: string }>();
  for (const [short, tool] of Object.entries(tools)) {
    const fields = typeof tool === "string" ? { implementation: tool } : tool;
    created.set(short, await proxy.createTool({ ...FUNCTION, ...fields, name: short.slice(1) }));
  }
  return created;
}

async function createPlayer(
  scenario: Scenario,
  tools: Map<string, { id: string; name: string }>,
  streams: boolean,
): Promise<Player> {
  const names = new Map([...tools].map(([short, { name }]) => [short, name]));
  const answer: Answer = (request, response) => {
    const round = player.rounds.shift();
    const body = request.json();
    if (round === undefined)
      return void response.writeHead(500).end("the scenario has no further round");
    const options = body["stream_options"] as { include_usage?: boolean } | undefined;
    const text =
      body["stream"] === true
        ? streamedBody(round, options?.include_usage === true)
        : wholeBody(round);
    player.answered = named(text, names);
    response
      .writeHead(200, {
        "content-type": body["stream"] === true ? "text/event-stream" : "application/json",
      })
      .end(player.answered);
  };
  const upstream = await startUpstream(answer);
  const toolIds = [...tools.values()].map(({ id }) => id);
  const { id, key } = await proxy.createKey({
    ...scenario.key,
    toolIds,
    openaiBaseUrl: upstream.url,
  });
  const player: Player = {
    streams,
    id,
    key,
    upstream,
    names,
    rounds: [],
    answered: "",
    messages: [],
    answer: {},
  };
  return player;
}

function requestText(player: Player, turn: ClientTurn): string {
  const { streams, messages, names } = player;
  const { streamOptions = { include_usage: true }, spelled } = turn;
  const streaming = streams
    ? { stream: true, ...(streamOptions === null ? {} : { stream_options: streamOptions }) }
    : {};
  const text = JSON.stringify({ model: "gpt-test", messages, ...turn.request, ...streaming });
  return named(spelled === undefined ? text : `${text.slice(0, -1)},${spelled}}`, names);
}

interface Answered extends SeenTurn {
  /** The message as the client sends it back. */
  message: Json;
  members: Json;
  logprobs: unknown[];
}

/**
 * Reads an answer strictly. No server call may be in it, unless the scenario says that the client
 * has a tool of that name.
 */
function readAnswer(text: string, player: Player, turn: ClientTurn): Answered {
  const own = new Set(turn.sees?.calls?.map(({ name }) => name));
  const hidden = [...player.names].filter(([short]) => !own.has(short)).map(([, real]) => real);
  for (const name of hidden)
    expect(text.includes(name), `the server's ${name} is visible`).toBe(false);
  const read = (shortText: string) => {
    if (player.streams) {
      const { chunks, ...seen } = readStream(shortText, "@hidden", turn.streamOptions !== null);
      return {
        ...seen,
        message: messageOf(seen),
        members: Object.assign({}, ...chunks) as Json,
        choices: chunks.flatMap(({ choices }) => choices),
      };
    }
    const { completion, ...seen } = readWhole(shortText, "@hidden");
    expect(specFaults("CreateChatCompletionResponse", completion), shortText).toEqual([]);
    return { ...seen, members: completion, choices: completion["choices"] };
  };
  const { choices, ...seen } = read(shortened(text, player));
  const probabilities = (choices as { logprobs?: { content?: unknown[] } | null }[]).flatMap(
    ({ logprobs }) => logprobs?.content ?? [],
  );
  return { ...seen, logprobs: probabilities };
}

/**
 * The assistant message as a client of a stream makes it. One that is given it whole sends it back
 * as it is.
 */
function messageOf({ content, refusal, calls }: SeenTurn): Json {
  return {
    role: "assistant",
    content: content === "" ? null : content,
    ...(refusal === "" ? {} : { refusal }),
    ...(calls.length === 0
      ? {}
      : {
          tool_calls: calls.map(({ id, name, arguments: args }) => ({
            id,
            type: "function",
            function: { name, arguments: args },
          })),
        }),
  };
}

async function play(player: Player, turn: ClientTurn): Promise<Played> {
  const { key, upstream } = player;
  if (turn.keyChanges !== undefined) {
    const changed = await proxy.admin(`/api-keys/${player.id}`, {
      method: "PATCH",
      json: turn.keyChanges,
    });
    expect(changed.status, await changed.text()).toBe(200);
  }
  player.rounds = [...turn.rounds];
  player.messages = turn.messages?.(player.messages, player.answer) ?? [
    { role: "user", content: "go" },
  ];
  const before = upstream.requests.length;
  const body = requestText(player, turn);
  const headers = Object.entries(turn.headers ?? {}).map(
    ([name, value]) => [name, named(value, player.names)] as const,
  );
  const response = await fetch(`${proxy.url}/v1/chat/completions`, {
    method: "POST",
    headers: {
      ...Object.fromEntries(headers),
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
    },
    body,
  });
  const text = await response.text();
  const requests = upstream.requests.slice(before).map((request) => request.body.toString());
  const sent = requests.map((request) => shortened(request, player));
  if (turn.refused !== undefined)
    return { seen: { status: response.status, error: shortened(text, player) }, sent };
  expect(response.status, text).toBe(200);
  if (turn.untouched) expect([requests, text], "byte for byte").toEqual([[body], player.answered]);
  const { message, members, logprobs, ...seen } = readAnswer(text, player, turn);
  player.answer = message;
  const chosen = Object.fromEntries(
    Object.keys(turn.seesMembers ?? {}).map((name) => [name, members[name]]),
  );
  return {
    seen: { ...seen, ...chosen, ...(turn.seesLogprobs === undefined ? {} : { logprobs }) },
    sent,
  };
}

const times = (usage: Json, count: number): Json =>
  Object.fromEntries(Object.entries(usage).map(([name, value]) => [name, Number(value) * count]));

/** What the client must see, with every default. */
function expected(
  { sees, seesMembers, seesLogprobs, refused, rounds, streamOptions }: ClientTurn,
  streams: boolean,
): Json {
  if (refused !== undefined)
    return { status: refused.status, error: expect.stringContaining(refused.message) as unknown };
  const calls = sees?.calls ?? [];
  return {
    content: "",
    reasoning: "",
    refusal: "",
    calls,
    finishReason: calls.length > 0 ? "tool_calls" : "stop",
    usage: times(USAGE, rounds.length),
    ...sees,
    ...(streams && streamOptions === null ? { usage: null } : {}),
    ...seesMembers,
    ...(seesLogprobs === undefined ? {} : { logprobs: seesLogprobs }),
  };
}

/**
 * A body without what may differ between the two ways; a whole answer that the client sends back
 * has `null` members.
 */
function comparable(body: string): Json {
  const { stream: _stream, stream_options: _options, messages, ...rest } = JSON.parse(body) as Json;
  const withoutNull = (message: Json) =>
    Object.fromEntries(Object.entries(message).filter(([, value]) => value !== null));
  return { ...rest, messages: (messages as Json[]).map(withoutNull) };
}

const toolNames = (body: Json) =>
  (body["tools"] as { function: { name: string } }[] | undefined)?.map(
    (tool) => tool.function.name,
  ) ?? null;

/** Checks a body that upstream was sent, in what the scenario says about it. */
function checkSent(text: string, wanted: NonNullable<ClientTurn["alwaysSent"]>): void {
  const body = JSON.parse(text) as Json;
  if (wanted.messages !== undefined)
    expect(transcriptOf(body["messages"] as Json[])).toEqual(wanted.messages);
  if (wanted.tools !== undefined) expect(toolNames(body)).toEqual(wanted.tools);
  for (const [name, value] of Object.entries(wanted.members ?? {}))
    expect(body[name], name).toEqual(value);
  for (const spelling of wanted.spelled ?? []) expect(text).toContain(spelling);
}

/** Checks all requests of a turn to upstream: what the scenario says, and what holds of any. */
function checkAllSent(sent: string[], turn: ClientTurn): void {
  let before: Json[] = [];
  for (const [index, text] of sent.entries()) {
    const body = JSON.parse(text) as Json;
    const messages = body["messages"] as Json[];
    checkHistory(messages);
    expect(
      messages.slice(0, before.length),
      "a round's messages begin with those of the round before",
    ).toEqual(before);
    before = messages;
    for (const wanted of [turn.alwaysSent, turn.sent?.[index]])
      if (wanted !== undefined) checkSent(text, wanted);
    if (body["stream"] === true && !turn.untouched) {
      expect(body["stream_options"]).toEqual({ ...turn.streamOptions, include_usage: true });
    }
  }
}

/** Plays a scenario, streamed and whole, and gives what upstream was sent in both. */
export async function playScenario(
  scenario: Scenario,
): Promise<{ streamed: Json[]; whole: Json[] }> {
  const tools = await createTools(scenario);
  const streamed = await createPlayer(scenario, tools, true);
  const whole = await createPlayer(scenario, tools, false);
  const sent: { streamed: Json[]; whole: Json[] } = { streamed: [], whole: [] };
  for (const [index, turn] of scenario.turns.entries()) {
    if (scenario.alternates && index > 0)
      for (const player of [streamed, whole]) player.streams = !player.streams;
    const [live, entire] = await Promise.all([play(streamed, turn), play(whole, turn)]);
    const wanted = {
      streamed: expected(turn, streamed.streams),
      whole: expected(turn, whole.streams),
    };
    expect(
      { streamed: live.seen, whole: entire.seen },
      `what is seen of request ${index + 1}`,
    ).toEqual(wanted);
    const asked = [live.sent.length, entire.sent.length];
    expect(asked, `how often upstream is asked for request ${index + 1}`).toEqual([
      turn.rounds.length,
      turn.rounds.length,
    ]);
    checkAllSent(live.sent, turn);
    checkAllSent(entire.sent, turn);
    sent.streamed.push(...live.sent.map(comparable));
    sent.whole.push(...entire.sent.map(comparable));
  }
  return sent;
}
