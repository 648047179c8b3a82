import { isObject, parseJson } from "../openai/json.ts";
import { countPrompt, countTool, openTokenCounter } from "../record/count-tokens.ts";
import type { ResolvedTool } from "../store/resolved-key.ts";
import { chatDialect } from "../dialects/chat/chat-dialect.ts";
import { spellTool } from "../tools/resolve-tools.ts";

/** A tool as a model sees it, and what that costs of each prompt. */
export interface ToolPreview {
  name: string;
  type: ResolvedTool["type"];
  description: string;
  tokens: number;
  /** What is sent, character by character. */
  text: string;
}

/**
 * What a model is offered, and its tokens: of each tool, and of all, which is a little more than
 * their sum.
 * @param model whose vocabulary counts them
 */
export async function previewTools(
  tools: ResolvedTool[],
  model: string,
): Promise<{ tools: ToolPreview[]; tokens: number }> {
  const counter = await openTokenCounter(model);
  const spelled = tools
    .map((tool) => ({ tool, text: spellTool(chatDialect, tool) }))
    .map((item) => ({ ...item, definition: parseJson(item.text) }));
  const withTools = countPrompt({ tools: spelled.map(({ definition }) => definition) }, counter);
  return {
    tools: spelled.map(({ tool: { name, type, description }, text, definition }) => {
      const called =
        isObject(definition) && isObject(definition["function"]) ? definition["function"] : {};
      return { name, type, description, tokens: countTool(called, counter), text };
    }),
    tokens: withTools - countPrompt({}, counter),
  };
}
