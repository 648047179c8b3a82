/** What a turn with tools runs on: each part is opened once, and knows nothing of the others. */
import type { AuthenticatedKey } from "../auth/authenticate.ts";
import type { ClientAnswer, DialectRequest, Round } from "../dialects/dialect.ts";
import type { KeyLimits } from "../limits/open-limits.ts";
import type { LoopParts, RunningCall } from "../loop/run-tool-loop.ts";
import type { JsonObject } from "../openai/json.ts";
import { bytesOfText } from "../openai/write-in-slices.ts";
import type { RequestScope } from "../platform.ts";
import { withoutMedia } from "../record/stored-content.ts";
import { maskOf } from "../secrets/known-secrets.ts";
import type { ClientStream } from "../stream/client-stream.ts";
import { namedEvent } from "../stream/named-event.ts";
import { spellTool, type ToolOffer } from "../tools/resolve-tools.ts";
import { callUpstream } from "../upstream/call-upstream.ts";
import type { DialectChoice } from "../upstream/choose-dialect.ts";
import type { Upstream } from "../upstream/pick-upstream.ts";
import { openAsker, type Asker } from "./ask-upstream.ts";
import type { ModelHistory } from "./history.ts";
import { knownForms } from "./known-forms.ts";
import { roundRecorder, type RoundRecorder } from "./record-round.ts";
import { runTool, runWatchedTool, TOOL_EVENT } from "./run-tool.ts";
import type { Turn } from "./turn.ts";

/** A turn in which the model is offered tools, or is asked in another dialect than the client's. */
export interface ToolTurn extends DialectChoice {
  scope: RequestScope;
  /** The client's HTTP request. */
  request: Request;
  key: AuthenticatedKey;
  turn: Turn;
  limits: KeyLimits;
  /** The client's request as it was read, and its history as the model must see it. */
  asked: DialectRequest;
  history: ModelHistory;
  offer: ToolOffer;
  upstream: Upstream;
  /** Whether the operator watches: a stream then tells of each tool as it runs. */
  isWatched: boolean;
  /** Whether all of it is told as it comes, though its client may not have asked for a stream. */
  isTold?: true;
}

/** Headers of a round: the body is ours, and we have to read the answer. */
const ROUND_HEADERS = {
  "accept-encoding": "identity",
  "content-encoding": "",
  "content-type": "application/json",
};

/** A turn on its way. */
export interface RunningTurn {
  asker: Asker;
  answer: ClientAnswer;
  recorder: RoundRecorder;
  loop: Omit<LoopParts, "ask">;
  /** As upstream's dialect has it. */
  request: DialectRequest;
  /** The rounds that ended. */
  rounds: Round[];
}

/**
 * Opens what a turn runs on.
 * @param signal fires when the client has gone away
 * @param client its stream; null where its answer is whole
 */
export function openRunning(
  parts: ToolTurn,
  signal: AbortSignal,
  client: Pick<ClientStream, "write"> | null,
): RunningTurn {
  const { scope, asked, spoken, history, offer, turn, limits, key, upstream } = parts;
  const { config } = scope.platform;
  const { toUpstream, toClient } = parts.translation;
  const request = toUpstream(history.request);
  const spellings = [...offer.serverTools].map(
    ([name, tool]) => [name, spellTool(spoken, tool)] as const,
  );
  const offered = new Map(spellings);
  const isServerTool = (name: string) => offered.has(name);
  const isForeign = spoken.name !== asked.dialect.name;
  const asker = openAsker({
    request,
    isTranslated: isForeign,
    restoredParts: history.restoredParts,
    requestWithout: (without) => toUpstream(history.requestWithout(without)),
    offered,
    maxBytes: config.maxBodyBytes,
    openDecoder: scope.platform.openDecoder,
    signal,
    media: history.media,
    known: knownForms(scope.platform.memory, {
      upstream: upstream.baseUrl,
      dialect: spoken.name,
      model: asked.model,
      traits: asked.traits,
    }),
    choice: parts,
    send: async (body) => {
      turn.roundBegan(upstream.baseUrl, isForeign ? spoken.name : null);
      const bytes = await bytesOfText(body);
      const call = {
        upstream,
        request: parts.request,
        body: bytes,
        signal,
        headers: ROUND_HEADERS,
        ...(isForeign ? { path: spoken.path } : {}),
      };
      return callUpstream(scope.platform, call);
    },
    onMediaRefused: (round) =>
      turn.withdrew((message, shown) => shown === round && asked.dialect.showsMedia(message)),
  });
  const mask = maskOf(scope.platform, key.upstreamApiKey);
  const answer = asked.openAnswer({
    write: (bytes) => client?.write(bytes),
    upstream: spoken.name,
    isServerTool,
    isLastRound: () => !asker.offersTools,
    mask: (said) => mask.json(said),
    onText: () => turn.firstToken(),
  });
  const tell = (event: JsonObject) => void client?.write(namedEvent(TOOL_EVENT, event));
  const run = (call: RunningCall) => {
    const running = { ...call, signal: AbortSignal.any([signal, call.signal]) };
    const isTold = parts.isWatched && client !== null;
    return isTold ? runWatchedTool(parts, running, tell) : runTool(parts, running);
  };
  return {
    asker,
    answer,
    recorder: roundRecorder(turn, { signal, added: [...offered.values()] }),
    request,
    rounds: [],
    loop: {
      isServerTool,
      run,
      onResult: (result, round) => answer.takeResult(result, round),
      tell: spoken.openResults((kind) => history.media.takes(kind)),
      onHidden: async (items, round) => {
        for (const message of toClient(items).flatMap(asked.dialect.recorded))
          turn.produced(await withoutMedia(message), { round, hidden: true });
      },
      limitReached: () => limits.reached(turn.record),
      maxCalls: asked.maxCalls,
      maxRounds: key.toolMaxRounds ?? config.toolMaxRounds,
      maxTurnMs: config.toolTurnTimeoutMs,
    },
  };
}
