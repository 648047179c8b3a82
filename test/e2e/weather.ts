/**
 * A key with a tool, and an upstream whose model uses it: what most stories of the page are about.
 */
import { setTimeout } from "node:timers/promises";
import { adminCall } from "../helpers/own-proxy.ts";
import {
  completion,
  startUpstream,
  toolCall,
  type Answer,
  type ScriptedUpstream,
} from "../helpers/upstream.ts";

/** What the model says at the end: Markdown, and HTML that must stay text. */
export const ANSWER =
  "## Oslo\n\nTake a **jacket**. <b>bold?</b>\n\n| Day | Rain |\n|---|---|\n| Sunday | 6 mm |";

interface Weather {
  upstream: ScriptedUpstream;
  toolId: string;
  toolName: string;
  keyId: string;
  key: string;
}

/** Makes them. @param name of the key */
export async function makeWeather(url: string, name: string): Promise<Weather> {
  const call = toolCall("call_1", `${name}_weather`, { city: "Oslo" });
  const thinking = { reasoning_content: "The forecast will tell." };
  // Long enough to be seen beside the rest, on a scale of time.
  const slowly: Answer = async (request, response) => {
    await setTimeout(150);
    await completion({ content: ANSWER })(request, response);
  };
  const upstream = await startUpstream(
    completion({ content: "Let me look.", tool_calls: [call], ...thinking }),
    slowly,
  );
  const tool = await adminCall<{ id: string; name: string }>(url, "/tools", {
    name: `${name}_weather`,
    type: "function",
    description: "The weather of a city.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    implementation:
      'console.log("asked for", args.city);\nreturn { city: args.city, rain: "6 mm" };',
  });
  const { id, key } = await adminCall<{ id: string; key: string }>(url, "/api-keys", {
    name,
    toolIds: [tool.id],
    openaiBaseUrl: upstream.url,
  });
  return { upstream, toolId: tool.id, toolName: tool.name, keyId: id, key };
}
