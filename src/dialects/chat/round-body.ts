/** The body of each round: the client's text, edited, so that what it spelled stays as spelled. */
import { toolName, type ChatRequest } from "../../openai/chat-request.ts";
import { isObject, objectsOf } from "../../openai/json.ts";
import { appendElements, memberText, setMembers } from "../../openai/json-object-text.ts";
import type { RoundPlan } from "../dialect.ts";
import { showsMedia } from "./hidden-media.ts";
import { withoutReasoning } from "./hidden-reasoning.ts";

/** JSON texts by member; undefined removes one. */
type Changes = Record<string, string | undefined>;

function arrayText(text: string, name: string): string {
  const value = memberText(text, name);
  return value?.startsWith("[") ? value : "[]";
}

/**
 * A forced choice holds for the first round only; kept, it would force the model to call tools for
 * ever. `any` is Mistral's word for `required`.
 */
function relaxedToolChoice(choice: unknown, withdrawn: ReadonlySet<string>): unknown {
  if (choice === "required" || choice === "any") return "auto";
  if (!isObject(choice)) return choice;
  if (choice["type"] !== "allowed_tools") return "auto";
  const nested = isObject(choice["allowed_tools"]) ? choice["allowed_tools"] : choice;
  const tools = objectsOf(nested["tools"]).filter((tool) => !withdrawn.has(toolName(tool) ?? ""));
  if (tools.length === 0) return "none";
  const allowed = { ...nested, mode: "auto", tools };
  return nested === choice ? allowed : { ...choice, allowed_tools: allowed };
}

/** Members that upstreams refuse where a request has no tools. */
const NEED_TOOLS = ["tools", "tool_choice", "parallel_tool_calls"];
/** Spellings of the server tools that the round offers. */
function offeredIn(request: ChatRequest, { offered, state, form }: RoundPlan): string[] {
  if (form.withoutTools === true) return [];
  const isLeft = ([name]: [string, string]) =>
    form.keepsTools === true || !state.withdrawn.has(name);
  const left = [...offered].filter(isLeft).map(([, spelling]) => spelling);
  if (form.maxTools === undefined) return left;
  return left.slice(0, Math.max(0, form.maxTools - request.clientTools.size));
}

function toolChanges(request: ChatRequest, plan: RoundPlan): Changes {
  const { state, form } = plan;
  // Without tools of ours a first round is the client's own request.
  if (form.withoutTools === true && state.round === 1) return {};
  const tools = appendElements(arrayText(request.text, "tools"), offeredIn(request, plan));
  if (tools === "[]") return Object.fromEntries(NEED_TOOLS.map((name) => [name, undefined]));
  if (state.toolsEnded || form.keepsTools === true) return { tools, tool_choice: '"none"' };
  if (state.round === 1 || request.toolChoice === undefined) return { tools };
  const choice = relaxedToolChoice(request.toolChoice, state.withdrawn);
  return { tools, tool_choice: JSON.stringify(choice) };
}

function historyChanges({ text }: ChatRequest, { state, form }: RoundPlan): Changes {
  const shown = form.withoutMedia
    ? state.appended.filter((item) => !showsMedia(item))
    : state.appended;
  if (shown.length === 0) return {};
  const items = form.withoutReasoningText ? shown.map(withoutReasoning) : shown;
  const spelled = items.map((item) => JSON.stringify(item));
  return { messages: appendElements(arrayText(text, "messages"), spelled) };
}

/** Members that not every server knows, and without which an answer is much the same. */
const UNCOMMON = [
  "moderation",
  "parallel_tool_calls",
  "prompt_cache_key",
  "prompt_cache_options",
  "prompt_cache_retention",
  "safety_identifier",
  "service_tier",
  "verbosity",
];

/** The newer name of a limit, and the one that every server knows. */
const [MAX_TOKENS, OLDER_MAX_TOKENS] = ["max_completion_tokens", "max_tokens"] as const;

function commonMembers(text: string): Changes {
  const max = memberText(text, MAX_TOKENS);
  const left = Object.fromEntries(UNCOMMON.map((name) => [name, undefined]));
  return max === undefined ? left : { ...left, [MAX_TOKENS]: undefined, [OLDER_MAX_TOKENS]: max };
}

function optionChanges(request: ChatRequest, { form }: RoundPlan): Changes {
  const changes: Changes = form.commonMembers === true ? commonMembers(request.text) : {};
  const isUnreasoned = form.withoutReasoning === true && form.withoutTools !== true;
  if (isUnreasoned) changes["reasoning_effort"] = '"none"';
  if (request.stream && !request.includeUsage && form.withoutUsage !== true)
    changes["stream_options"] = JSON.stringify({ ...request.streamOptions, include_usage: true });
  return changes;
}

/** The request body of a round. */
export function roundBody(request: ChatRequest, plan: RoundPlan): string {
  const changes = {
    ...toolChanges(request, plan),
    ...historyChanges(request, plan),
    ...optionChanges(request, plan),
  };
  return Object.keys(changes).length === 0 ? request.text : setMembers(request.text, changes);
}
