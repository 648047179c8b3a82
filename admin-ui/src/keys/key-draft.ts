/** What stands in the form of a key, and how it becomes fields of the API. */
import type { ApiKey } from "../api-shapes.ts";
import { asLocalTime } from "../format.ts";
import type { KeyFields } from "../http.ts";

export interface KeyDraft {
  name: string;
  /**
   * As `<input type="datetime-local">` has it: without a zone, in the reader's time. Empty: never.
   */
  expiresAt: string;
  toolIds: string[];
  /** Empty: as it is. */
  openaiApiKey: string;
  removesOpenaiApiKey: boolean;
  openaiBaseUrl: string;
  /** Empty: as the proxy is set. */
  upstreamDialect: NonNullable<ApiKey["upstreamDialect"]> | "";
  /** One a line. Empty: all. */
  allowedModels: string;
  toolMemory: boolean;
  /** Empty: as many as the proxy allows. */
  toolMaxRounds: string;
  logContent: ApiKey["logContent"];
  /** Empty: no limit. */
  requestsPerMinute: string;
  tokensPerMinute: string;
  monthlyBudget: string;
  /** Empty: as long as the proxy does; 0: not at all. */
  answerCacheSeconds: string;
  unpriced: ApiKey["unpriced"];
}

/** The form of a key as it is, or of a new one. */
export function draftOf(key: ApiKey | null): KeyDraft {
  return {
    name: key?.name ?? "",
    expiresAt: asLocalTime(key?.expiresAt ?? null),
    toolIds: key?.toolIds ?? [],
    openaiApiKey: "",
    removesOpenaiApiKey: false,
    openaiBaseUrl: key?.openaiBaseUrl ?? "",
    upstreamDialect: key?.upstreamDialect ?? "",
    allowedModels: key?.allowedModels?.join("\n") ?? "",
    toolMemory: key?.toolMemory ?? true,
    toolMaxRounds: key?.toolMaxRounds?.toString() ?? "",
    logContent: key?.logContent ?? "full",
    requestsPerMinute: key?.requestsPerMinute?.toString() ?? "",
    tokensPerMinute: key?.tokensPerMinute?.toString() ?? "",
    monthlyBudget: key?.monthlyBudget?.toString() ?? "",
    answerCacheSeconds: key?.answerCacheSeconds?.toString() ?? "",
    unpriced: key?.unpriced ?? "allow",
  };
}

const orNull = (text: string): string | null => (text.trim() === "" ? null : text.trim());

function linesOf(text: string): string[] | null {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  return lines.length === 0 ? null : lines;
}

function upstreamKeyOf({ openaiApiKey, removesOpenaiApiKey }: KeyDraft): string | null | undefined {
  return removesOpenaiApiKey ? null : (orNull(openaiApiKey) ?? undefined);
}

const NUMBERS = [
  "toolMaxRounds",
  "requestsPerMinute",
  "tokensPerMinute",
  "monthlyBudget",
  "answerCacheSeconds",
] as const;

/** Limits that were changed; an empty one is none. */
const changedNumbers = (before: KeyDraft, draft: KeyDraft): KeyFields =>
  Object.fromEntries(
    NUMBERS.filter((name) => draft[name] !== before[name]).map((name) => [
      name,
      draft[name] === "" ? null : Number(draft[name]),
    ]),
  );

const changed = (
  before: KeyDraft,
  draft: KeyDraft,
  names: readonly (keyof KeyDraft & keyof KeyFields)[],
) =>
  Object.fromEntries(
    names.filter((name) => draft[name] !== before[name]).map((name) => [name, draft[name]]),
  ) as KeyFields;

/**
 * The fields in which a draft differs from what it began as: what others changed meanwhile stays as
 * it is.
 */
export function changedFields(before: KeyDraft, draft: KeyDraft): KeyFields {
  const openaiApiKey = upstreamKeyOf(draft);
  return {
    ...changed(before, draft, ["name", "toolMemory", "logContent", "unpriced"]),
    ...changedNumbers(before, draft),
    ...(draft.expiresAt === before.expiresAt
      ? {}
      : { expiresAt: draft.expiresAt === "" ? null : new Date(draft.expiresAt).toISOString() }),
    ...(draft.toolIds.join() === before.toolIds.join() ? {} : { toolIds: draft.toolIds }),
    ...(openaiApiKey === undefined ? {} : { openaiApiKey }),
    ...(draft.openaiBaseUrl === before.openaiBaseUrl
      ? {}
      : { openaiBaseUrl: orNull(draft.openaiBaseUrl) }),
    ...(draft.upstreamDialect === before.upstreamDialect
      ? {}
      : { upstreamDialect: draft.upstreamDialect === "" ? null : draft.upstreamDialect }),
    ...(draft.allowedModels === before.allowedModels
      ? {}
      : { allowedModels: linesOf(draft.allowedModels) }),
  };
}
