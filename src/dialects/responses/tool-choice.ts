/** What the model may call, in every form that a request can say it in. */
import { isObject, objectsOf } from "../../openai/json.ts";

const isAllowedTools = (choice: unknown): choice is Record<string, unknown> =>
  isObject(choice) && choice["type"] === "allowed_tools";

/**
 * The choice of a first round: what the operator assigned is allowed beside what the client allows.
 */
export function openedToolChoice(choice: unknown, offered: Iterable<string>): unknown {
  if (!isAllowedTools(choice)) return choice;
  const ours = [...offered].map((name) => ({ type: "function", name }));
  return { ...choice, tools: [...objectsOf(choice["tools"]), ...ours] };
}

/**
 * The choice of a later round. A forced one holds for the first round only; kept, it would force
 * the model to call tools for ever.
 */
export function relaxedToolChoice(choice: unknown, offered: Iterable<string>): unknown {
  if (choice === "required") return "auto";
  if (!isObject(choice)) return choice;
  if (!isAllowedTools(choice)) return "auto";
  return openedToolChoice({ ...choice, mode: "auto" }, offered);
}
