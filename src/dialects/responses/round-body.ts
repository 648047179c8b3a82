/** The body of each round: the client's text, edited, so that what it spelled stays as spelled. */
import { isObject, type JsonObject } from "../../openai/json.ts";
import { appendElements, memberText, setMembers } from "../../openai/json-object-text.ts";
import type { HistoryItem, RoundPlan } from "../dialect.ts";
import { hasReasoning, withoutShown } from "./hidden-items.ts";
import type { ResponsesRequest } from "./responses-request.ts";
import { openedToolChoice, relaxedToolChoice } from "./tool-choice.ts";

/** JSON texts by member; undefined removes one. */
type Changes = Record<string, string | undefined>;

/** What a stateless upstream has to be asked for, so that it can take back what it reasoned. */
export const ENCRYPTED_REASONING = "reasoning.encrypted_content";

function arrayText(text: string, name: string): string {
  const value = memberText(text, name);
  return value?.startsWith("[") ? value : "[]";
}

/** The input as an array, each entry as it was spelled. */
export function inputText(text: string): string {
  const value = memberText(text, "input");
  if (value === undefined) return "[]";
  return value.startsWith('"') ? `[{"role":"user","content":${value}}]` : value;
}

/** Server tools that the round offers: name and spelling. */
function offeredIn(request: ResponsesRequest, plan: RoundPlan): [string, string][] {
  const { offered, state, form } = plan;
  if (form.withoutTools === true) return [];
  const left = [...offered].filter(([name]) => !state.withdrawn.has(name));
  if (form.maxTools === undefined) return left;
  return left.slice(0, Math.max(0, form.maxTools - request.clientTools.size));
}

/** Members that upstreams refuse where a request has no tools. */
const NEED_TOOLS = ["tools", "tool_choice", "parallel_tool_calls"];

/** Calls that are counted by `max_tool_calls`: those that are not the client's to run. */
function countedCalls({ state, offered }: RoundPlan): number {
  const isCounted = ({ type, name, call_id: callId }: HistoryItem) => {
    if (type === "function_call") return typeof name === "string" && offered.has(name);
    return typeof type === "string" && type.endsWith("_call") && callId === undefined;
  };
  return state.appended.filter(isCounted).length;
}

function toolChanges(request: ResponsesRequest, plan: RoundPlan): Changes {
  const { state, form } = plan;
  const { text, toolChoice, maxToolCalls } = request;
  // Without tools of ours a first round is the client's own request.
  if (state.round === 1 && (form.withoutTools === true || plan.offered.size === 0)) return {};
  const left = maxToolCalls - countedCalls(plan);
  const ours = offeredIn(request, plan);
  const tools = appendElements(
    arrayText(text, "tools"),
    ours.map(([, spelling]) => spelling),
  );
  if (tools === "[]") return Object.fromEntries(NEED_TOOLS.map((name) => [name, undefined]));
  const names = ours.map(([name]) => name);
  const changes: Changes = { tools };
  if (Number.isFinite(left) && state.round > 1)
    changes["max_tool_calls"] = left > 0 ? String(left) : undefined;
  if (state.toolsEnded || left <= 0) return { ...changes, tool_choice: '"none"' };
  if (toolChoice === undefined) return changes;
  const choice =
    state.round === 1 ? openedToolChoice(toolChoice, names) : relaxedToolChoice(toolChoice, names);
  return choice === toolChoice ? changes : { ...changes, tool_choice: JSON.stringify(choice) };
}

/** Whether an upstream that keeps nothing can take an item back. */
const isWhole = (item: JsonObject): boolean =>
  item["type"] !== "reasoning" ||
  typeof item["encrypted_content"] === "string" ||
  Array.isArray(item["content"]);

/** What a conversation of upstream's has already: what the model itself said. */
const isResult = ({ type }: HistoryItem): boolean =>
  typeof type === "string" && type.endsWith("_output");

function historyChanges(request: ResponsesRequest, { state, form }: RoundPlan): Changes {
  if (state.appended.length === 0) return {};
  const isSent = (item: HistoryItem): boolean => {
    if (form.withoutReasoningText === true && hasReasoning(item)) return false;
    return request.isStored || isWhole(item);
  };
  const items = state.appended.filter(isSent);
  const shown = form.withoutMedia === true ? items.map(withoutShown) : items;
  if (request.hasConversation) {
    // It grew by the rounds before: of those, only the results are news.
    const answered = shown.findLastIndex((item) => !isResult(item));
    const news = shown.slice(answered + 1).map((item) => JSON.stringify(item));
    return { input: `[${news.join(",")}]` };
  }
  const spelled = shown.map((item) => JSON.stringify(item));
  return { input: appendElements(inputText(request.text), spelled) };
}

/** Whether a round asks for reasoning that a later one can take back. */
export const addsEncryptedReasoning = ({ isStored, include }: ResponsesRequest): boolean =>
  !isStored && !include.includes(ENCRYPTED_REASONING);

function optionChanges(request: ResponsesRequest, plan: RoundPlan): Changes {
  const { form } = plan;
  const changes: Changes = {};
  if (form.withoutReasoning === true && form.withoutTools !== true) {
    const value: unknown = JSON.parse(memberText(request.text, "reasoning") ?? "{}");
    const { summary: _summary, ...reasoning } = isObject(value) ? value : {};
    changes["reasoning"] = JSON.stringify({ ...reasoning, effort: "none" });
  }
  const asks = addsEncryptedReasoning(request) && form.withoutEncryptedReasoning !== true;
  if (asks && form.withoutTools !== true)
    changes["include"] = JSON.stringify([...request.include, ENCRYPTED_REASONING]);
  return changes;
}

/** The request body of a round. */
export function roundBody(request: ResponsesRequest, plan: RoundPlan): string {
  const changes = {
    ...toolChanges(request, plan),
    ...historyChanges(request, plan),
    ...optionChanges(request, plan),
  };
  return Object.keys(changes).length === 0 ? request.text : setMembers(request.text, changes);
}
