/**
 * Items of Responses as messages of chat completions: what a model said at one time is one message
 * of the assistant, and the results of its calls follow it in their order.
 */
import { objectsOf, textOf, type JsonObject } from "../../openai/json.ts";
import { reasoningCarriedBy } from "../responses/carried-reasoning.ts";
import { bringsTools, foundWords } from "../responses/input-tools.ts";
import { isOwnItem, ownItemSentBack } from "../responses/own-items.ts";
import { customArguments, plainName, type PlainTool } from "../responses/plain-tools.ts";
import { joinedTexts, plainestContent, spelledParts } from "./content-parts.ts";
import { spelledOutput } from "./output-media.ts";

/** Messages, and what became of items that are none. */
export interface SpelledInput {
  messages: JsonObject[];
  /** Types of items that were left out. */
  dropped: Set<string>;
  /** Why the input has no counterpart, or null. */
  refused: string | null;
  /** The id of an item that is referred to, and is not there; or null. */
  missing: string | null;
}

/** What the assistant says while it is put together. */
interface Saying {
  texts: string[];
  reasoning: string[];
  calls: { id: string; name: string; arguments: string }[];
}

/** Items of which only OpenAI knows what they say, by type: why they cannot be left out. */
const SEALED: Record<string, string> = {
  compaction: "input has a compaction, which only the Responses API can read",
  compaction_trigger: "input asks for a compaction, which only the Responses API makes",
  context_compaction: "input has a compaction, which only the Responses API can read",
};

const PARAGRAPH = "\n\n";

const isOutput = ({ type, call_id: id }: JsonObject): boolean =>
  textOf(type).endsWith("_output") && typeof id === "string";

/** Calls that their client answers, whatever it calls them: by an output with the call's id. */
const isCall = ({ type, call_id: id }: JsonObject): boolean =>
  textOf(type).endsWith("_call") && typeof id === "string";

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** What is no argument of a built-in tool's call. */
const NOT_ARGUMENTS = new Set(["id", "type", "call_id", "status", "caller"]);

function callArguments(item: JsonObject): string {
  if (item["type"] === "custom_tool_call") return customArguments(textOf(item["input"]));
  if (typeof item["arguments"] === "string") return item["arguments"] || "{}";
  const own = Object.entries(item).filter(([name]) => !NOT_ARGUMENTS.has(name));
  return JSON.stringify(Object.fromEntries(own));
}

class InputReader {
  readonly messages: JsonObject[] = [];
  readonly dropped = new Set<string>();
  refused: string | null = null;
  missing: string | null = null;
  readonly #tools: PlainTool[];
  readonly #outputs: Map<unknown, JsonObject>;
  #saying: Saying | null = null;
  readonly #told = new Set<JsonObject>();

  constructor(items: JsonObject[], tools: PlainTool[]) {
    this.#tools = tools;
    // The first output of a call is its result.
    const outputs = items.filter(isOutput).toReversed();
    this.#outputs = new Map(outputs.map((item) => [item["call_id"], item]));
  }

  take(item: JsonObject): void {
    const { type: given, role } = item;
    const type = textOf(given) || "message";
    const sealed = Object.hasOwn(SEALED, type) ? SEALED[type] : undefined;
    if (sealed !== undefined) this.refused ??= sealed;
    else if (type === "item_reference") this.missing ??= textOf(item["id"]);
    else if (type === "message") this.#message(item, textOf(role));
    else if (type === "reasoning") this.#reason(item);
    else if (isOwnItem(item) || type === "mcp_call") this.#ran(item);
    else if (isCall(item)) this.#call(item);
    else if (isOutput(item)) this.#output(item);
    // Its tools are among those of the request.
    else if (bringsTools(item)) return;
    else this.dropped.add(type);
  }

  /** Ends what the assistant says. */
  flush(): void {
    const saying = this.#saying;
    this.#saying = null;
    if (saying === null) return;
    const { texts, reasoning, calls } = saying;
    // What was thought before nothing was said is nobody's message.
    if (texts.length === 0 && calls.length === 0) return;
    const spelled = calls.map(({ id, ...definition }) => ({
      id,
      type: "function",
      function: definition,
    }));
    this.messages.push({
      role: "assistant",
      content: texts.length === 0 ? null : texts.join(PARAGRAPH),
      ...(reasoning.length === 0 ? {} : { reasoning_content: reasoning.join(PARAGRAPH) }),
      ...(calls.length === 0 ? {} : { tool_calls: spelled }),
    });
    this.#results(calls);
  }

  #say(): Saying {
    this.#saying ??= { texts: [], reasoning: [], calls: [] };
    return this.#saying;
  }

  #message({ content }: JsonObject, role: string): void {
    const { parts, refused } = spelledParts(content);
    this.refused ??= refused[0] ?? null;
    if (role === "assistant") {
      const text = joinedTexts(parts, "");
      if (text !== "") this.#say().texts.push(text);
      return;
    }
    this.flush();
    // Not every server knows developers.
    const isSystem = role === "developer" || role === "system";
    if (!isSystem) {
      this.messages.push({ role: role || "user", content: plainestContent(parts) });
      return;
    }
    this.#instruct(joinedTexts(parts, PARAGRAPH));
  }

  /** Some servers take one message of the system alone, at the very beginning. */
  #instruct(text: string): void {
    const [first] = this.messages;
    if (this.messages.length === 1 && first?.["role"] === "system")
      first["content"] = `${textOf(first["content"])}${PARAGRAPH}${text}`;
    else this.messages.push({ role: "system", content: text });
  }

  #reason(item: JsonObject): void {
    const { content, summary } = item;
    const parts = objectsOf(content).length > 0 ? content : summary;
    const told = joinedTexts(spelledParts(objectsOf(parts)).parts, PARAGRAPH);
    const text = reasoningCarriedBy(item) ?? told;
    if (text !== "") this.#say().reasoning.push(text);
  }

  #call(item: JsonObject): void {
    const id = textOf(item["call_id"]);
    this.#say().calls.push({ id, name: this.#nameOf(item), arguments: callArguments(item) });
  }

  #nameOf({ type, name: given, namespace: space }: JsonObject): string {
    const namespace = isGiven(space) ? textOf(space) : null;
    const name = textOf(given) || textOf(type).replace(/_call$/, "");
    const isIt = (tool: PlainTool) => tool.ownName === name && tool.namespace === namespace;
    return this.#tools.find(isIt)?.name ?? plainName(namespace, name);
  }

  /** A call whose result is in the same item. */
  #ran(item: JsonObject): void {
    const [call, output] = ownItemSentBack(item);
    if (call === undefined || output === undefined) return;
    this.#outputs.set(output["call_id"], output);
    this.#call(call);
  }

  #output(item: JsonObject): void {
    const isOpen = this.#saying?.calls.some(({ id }) => id === item["call_id"]) ?? false;
    if (isOpen) this.flush();
    if (this.#told.has(item)) return;
    // Of no call that is there: upstream says so.
    this.flush();
    this.#tell([{ item, call: { id: textOf(item["call_id"]), name: "" } }]);
  }

  #results(calls: Saying["calls"]): void {
    const results = calls.flatMap((call) => {
      const item = this.#outputs.get(call.id);
      return item === undefined || this.#told.has(item) ? [] : [{ item, call }];
    });
    this.#tell(results);
  }

  #tell(results: { item: JsonObject; call: { id: string; name: string } }[]): void {
    const shown: JsonObject[] = [];
    for (const { item, call } of results) {
      const output = bringsTools(item) ? foundWords(item) : item["output"];
      const spelled = spelledOutput(output, call);
      this.refused ??= spelled.refused[0] ?? null;
      this.messages.push({ role: "tool", tool_call_id: call.id, content: spelled.text });
      this.#told.add(item);
      shown.push(...spelled.shown);
    }
    if (shown.length > 0) this.messages.push({ role: "user", content: shown });
  }
}

/** @param tools the client's own, by whose plain names their calls go */
export function messagesOfInput(
  { input, instructions }: JsonObject,
  tools: PlainTool[],
): SpelledInput {
  const text = typeof input === "string" ? [{ role: "user", content: input }] : [];
  const told = typeof instructions === "string" ? instructions : "";
  const before = told === "" ? [] : [{ role: "system", content: told }];
  const items = [...before, ...text, ...objectsOf(input)];
  const reader = new InputReader(items, tools);
  for (const item of items) reader.take(item);
  reader.flush();
  const { messages, dropped, refused, missing } = reader;
  return { messages, dropped, refused, missing };
}
