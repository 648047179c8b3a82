/** Begins responses in the background, and goes on with those that another process has left. */
import { checkUsable, findKeyAgain, type AuthenticatedKey } from "../auth/authenticate.ts";
import { failureOf } from "../dialects/responses/failure-of.ts";
import {
  responsesDialect,
  ResponsesDialectRequest,
} from "../dialects/responses/responses-dialect.ts";
import { inputText } from "../dialects/responses/round-body.ts";
import { openLimits } from "../limits/open-limits.ts";
import { ApiError } from "../openai/api-error.ts";
import { readJsonBody, type JsonObject } from "../openai/json.ts";
import type { Platform, RequestScope } from "../platform.ts";
import { maskOf } from "../secrets/known-secrets.ts";
import {
  beginBackground,
  claimBackground,
  endBackground,
  findBackgroundRounds,
  type ClaimedBackground,
} from "../store/background-responses.ts";
import { describeError } from "../store/describe-error.ts";
import { sealOf } from "../store/seal.ts";
import { withinLimit } from "../store/within-limit.ts";
import { choosingOf, foreignDialect, type Choosing } from "../upstream/choose-dialect.ts";
import { crossingHeaders } from "../upstream/headers.ts";
import { backgroundRuns } from "./background-runs.ts";
import { madeSoFar, readStates, responseIn, type RoundState } from "./background-state.ts";
import { DATABASE_LIMIT_MS, HOUR_MS } from "./history.ts";
import { openResponsesTurn, type ResponsesTurn } from "./open-responses-turn.ts";
import { openTurn } from "./open-turn.ts";
import { streamError } from "./rescue.ts";
import { answerOf, openBackground, startBackground } from "./run-background.ts";
import { beginTurn } from "./run-turn.ts";
import type { TurnConversation } from "./turn.ts";

/** Numbers of events that the process before may have told of, after the last that is kept. */
const UNKNOWN_EVENTS = 1_000_000;
/** `response.created`, `response.queued`, and `response.in_progress`. */
const QUEUE_EVENTS = 2;
const FIRST_EVENTS = 3;
/** Few, so that one key cannot fill the process in one step. */
const CLAIMED_AT_ONCE = 5;
/** A response that ends the process each time is not begun for ever. */
const MAX_ATTEMPTS = 5;

/** An HTTP request, as it is kept until its response is made. */
interface KeptRequest {
  url: string;
  headers: [name: string, value: string][];
  text: string;
  conversation: TurnConversation;
}

const TOOLS_HEADER = "x-proxy-tools";

/** What of a request's headers a later round needs. */
function keptHeaders({ headers }: Request): [string, string][] {
  const picked = headers.get(TOOLS_HEADER);
  const crossing = Object.entries(crossingHeaders(headers, "request with an own credential"));
  return picked === null ? crossing : [...crossing, [TOOLS_HEADER, picked]];
}

/** A response that was begun. */
export interface BegunBackground {
  id: string;
  /** As its client is told first. */
  response: JsonObject;
}

/**
 * Begins a response: it is kept, so that nothing but its end ends it, and made from now on.
 * @param parts whose request has the id of the response
 * @param text of the request, as its client sent it
 * @throws ApiError 503 where it cannot be kept
 */
export async function beginResponse(parts: ResponsesTurn, text: string): Promise<BegunBackground> {
  const { scope, request, key, turn, asked } = parts;
  const id = asked.backgroundId ?? "";
  const { platform } = scope;
  const runs = backgroundRuns.of(platform.memory);
  await beginTurn(parts);
  turn.requested({ text, model: asked.model, streamed: asked.stream });
  const place = { apiKeyId: key.id, id, owner: runs.owner };
  const made = openBackground({ parts, place, before: [], createdAt: null, firstEvent: 0 });
  await answerOf(made).queue();
  const response = answerOf(made).soFar("queued");
  const kept: KeptRequest = {
    url: request.url,
    headers: keptHeaders(request),
    text,
    conversation: turn.conversation,
  };
  const mask = maskOf(platform, key.upstreamApiKey);
  const hasRoom = runs.hasRoomFor(key.id);
  const beginning = beginBackground(platform.database, {
    apiKeyId: key.id,
    id,
    turnId: turn.id,
    startedAt: new Date(turn.record.startedAt),
    previousId: asked.previousResponseId,
    request: await sealOf(platform).seal(JSON.stringify(kept)),
    sent: mask.text(inputText(asked.text)),
    body: JSON.stringify(mask.json(response)),
    owner: hasRoom ? runs.owner : null,
    expiresAt: new Date(Date.now() + platform.config.hiddenRoundsHours * HOUR_MS),
  });
  await withinLimit(beginning, DATABASE_LIMIT_MS).catch((cause: unknown) => {
    const message =
      "The proxy's database is not available, so nothing can be begun in the background. " +
      "Try again shortly.";
    throw new ApiError("database_unavailable", message, { retryAfter: 2, cause });
  });
  if (hasRoom) startBackground(platform, made, false);
  // Whoever has room makes it, and ends its turn.
  else await turn.left();
  return { id, response };
}

/** What a response that nobody waits for runs in. */
export type BackgroundScope = Pick<RequestScope, "platform" | "ending" | "waitUntil">;

const scopeOf = (scope: BackgroundScope, requestId: string): RequestScope => ({
  ...scope,
  requestId,
  clientGone: new AbortController().signal,
  breakOff: null,
  acceptSocket: null,
  clientAddress: "",
});

async function readRequest(text: string): Promise<ResponsesDialectRequest> {
  const asked = responsesDialect.readRequest(text, (await readJsonBody(text)) ?? null);
  if (asked instanceof ResponsesDialectRequest) return asked;
  throw new Error("A request that was kept is none");
}

/** What is hidden of a response is spelled in the dialect in which its rounds were asked. */
function choosingAgain(
  platform: Platform,
  key: AuthenticatedKey,
  spoken: string | undefined,
): Choosing {
  const choosing = choosingOf(platform, key, responsesDialect);
  if (spoken === undefined) return choosing;
  return { ...choosing, setting: spoken === responsesDialect.name ? "responses" : "chat" };
}

/** Goes on with a response where its process left it. */
async function resume(
  background: BackgroundScope,
  row: ClaimedBackground,
  before: RoundState[],
): Promise<void> {
  const { platform } = background;
  const key = await findKeyAgain(platform, row.apiKeyId);
  // With its key the response has gone as well.
  if (key === null) return;
  const scope = scopeOf(background, row.turnId);
  const limits = openLimits(scope, key);
  const startedAt = row.startedAt.getTime();
  const turn = openTurn(scope, { key, limits, endpoint: "/v1/responses", startedAt });
  const kept = JSON.parse(await sealOf(platform).open(row.request)) as KeptRequest;
  turn.resumed(
    kept.conversation,
    before.map(({ progress }) => progress),
  );
  try {
    checkUsable(key, platform.clock.now());
    if (row.attempts > MAX_ATTEMPTS) {
      const begun = `it was begun ${MAX_ATTEMPTS} times, and never came on`;
      const message = `The response was given up: ${begun}.`;
      throw new ApiError("internal", message);
    }
    const { url, headers, text } = kept;
    const request = new Request(url, { method: "POST", headers });
    const asked = (await readRequest(text)).inBackground(row.id);
    const choosing = choosingAgain(platform, key, before.at(-1)?.spoken);
    const wanted = foreignDialect(choosing);
    const opening = { scope, request, key, turn, limits, asked, choosing, wanted, waitedMs: 0 };
    const parts = await openResponsesTurn(opening);
    void beginTurn(parts);
    turn.requested({ text, model: asked.model, streamed: asked.stream });
    const { owner } = backgroundRuns.of(platform.memory);
    const place = { apiKeyId: row.apiKeyId, id: row.id, owner };
    const told = before.at(-1)?.sequence ?? FIRST_EVENTS;
    const firstEvent = row.wasBegun ? told + UNKNOWN_EVENTS : QUEUE_EVENTS;
    const createdAt = Number(responseIn(row.body)["created_at"]);
    const made = openBackground({ parts, place, before, createdAt, firstEvent });
    if (row.isCancelled) made.stopping.abort("cancelled");
    startBackground(platform, made, row.wasBegun);
  } catch (error) {
    const told = streamError(error, platform.logger, turn);
    await endUnopened(background, row, { states: before, error: told });
    await turn.endedBy(error, false, 200);
  }
}

/** Ends a response that nobody can go on with. @param error OpenAI's error object */
async function endUnopened(
  { platform }: BackgroundScope,
  row: ClaimedBackground,
  { states, error }: { states: RoundState[]; error: JsonObject },
): Promise<void> {
  const failure = failureOf(error);
  const response = { ...madeSoFar(row.body, failure.status, states), error: failure.error };
  const shown = states.flatMap((state) => state.shown);
  const items = shown.map(({ numbers }) => [numbers?.added ?? null, numbers?.done ?? null]);
  const end = (states.at(-1)?.sequence ?? FIRST_EVENTS) + UNKNOWN_EVENTS;
  const { owner } = backgroundRuns.of(platform.memory);
  const place = { apiKeyId: row.apiKeyId, id: row.id, owner };
  await endBackground(platform.database, place, {
    status: "failed",
    body: JSON.stringify(response),
    numbers: JSON.stringify({ items, end }),
    upstreamIds: "[]",
  });
}

/** Takes over what nobody makes any more, as far as there is room, and goes on with it. */
export async function resumeResponses(background: BackgroundScope): Promise<void> {
  const { database, memory } = background.platform;
  const runs = backgroundRuns.of(memory);
  let rows: ClaimedBackground[];
  do {
    if (!runs.hasRoom) return;
    const { owner, fullKeys: exceptKeys } = runs;
    rows = await claimBackground(database, { owner, most: CLAIMED_AT_ONCE, exceptKeys });
    await resumeAll(background, rows);
  } while (rows.length === CLAIMED_AT_ONCE);
}

/** Goes on with what was taken over. */
async function resumeAll(background: BackgroundScope, rows: ClaimedBackground[]): Promise<void> {
  const { database, logger } = background.platform;
  for (const row of rows) {
    try {
      const states = readStates(await findBackgroundRounds(database, row));
      await resume(background, row, states);
    } catch (error) {
      // Its lease ends, and it is tried again.
      const fields = { turn: row.turnId, error: describeError(error) };
      logger.error("A response in the background could not be gone on with", fields);
    }
  }
}
