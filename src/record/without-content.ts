import { isObject } from "../openai/json.ts";
import type { Usage } from "../openai/usage.ts";
import type { TurnRecord } from "./turn-record.ts";

const isFigure = (value: unknown) => typeof value === "number" || typeof value === "boolean";

const figuresIn = (object: object): Record<string, unknown> =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => isFigure(value)));

/** The counts of a usage, and those of its details: upstream may put anything else beside them. */
function plainUsage(usage: Usage | null): Usage | null {
  if (usage === null) return null;
  const details = Object.entries(usage).flatMap(([name, value]) =>
    isObject(value) ? [[name, figuresIn(value)] as const] : [],
  );
  return { ...usageOf(usage), ...figuresIn(usage), ...Object.fromEntries(details) };
}

const usageOf = ({ prompt_tokens, completion_tokens, total_tokens }: Usage): Usage => ({
  prompt_tokens,
  completion_tokens,
  total_tokens,
});

/** A turn as it is kept where nothing of its content may be, or can be: who, when, what for, how much. */
export function withoutContent(record: TurnRecord): TurnRecord {
  const {
    restored: _restored,
    hiddenRounds: _hidden,
    keptResponse: _kept,
    addedTools: _added,
    ...rest
  } = record;
  return {
    ...rest,
    request: null,
    response: null,
    produced: [],
    toolExecutions: [],
    rounds: record.rounds.map(({ received: _received, usage, ...round }) => ({
      ...round,
      usage: plainUsage(usage),
    })),
  };
}
