/** Which models take images and sounds, by the data of others. */
import * as models from "gpt-tokenizer/models";
import { describe, expect, it } from "vitest";
import { mediaOfModel } from "../../src/openai/model-media.ts";

interface KnownModel {
  name: string;
  modalities: { input: readonly string[] };
  supported_endpoints?: readonly string[];
}

const known = Object.values(models as unknown as Record<string, KnownModel>).filter(
  (model) => typeof model === "object" && model.supported_endpoints?.includes("chat_completions"),
);

const media = (inputs: readonly string[]) => inputs.filter((input) => input !== "text").toSorted();

describe("what a model takes beside text", () => {
  it("is what gpt-tokenizer knows of each of OpenAI's chat models", () => {
    expect(known.length).toBeGreaterThan(50);
    const ours = known.map(({ name }) => [name, [...mediaOfModel(name)].toSorted()]);
    expect(ours).toEqual(known.map(({ name, modalities }) => [name, media(modalities.input)]));
  });

  it.each<[string, string]>([
    ["gemini-2.5-flash", "image,audio"],
    ["google/gemini-3-pro-preview", "image,audio"],
    ["models/gemini-2.0-flash", "image,audio"],
    ["gemini-1.0-pro", ""],
    ["claude-sonnet-4-5", "image"],
    ["anthropic/claude-3.5-haiku", "image"],
    ["us.anthropic.claude-sonnet-4-20250514-v1:0", "image"],
    ["claude-2.1", ""],
    ["ft:gpt-4o-mini-2024-07-18:acme::abc", "image"],
    ["ft:gpt-3.5-turbo-0125:acme::abc", ""],
    ["openai/gpt-4.1-mini", "image"],
    ["openai/gpt-oss-120b:free", ""],
    ["gpt-35-turbo", ""],
    ["llava:13b", "image"],
    ["llama3.2-vision", "image"],
    ["meta-llama/Llama-3.2-11B-Vision-Instruct", "image"],
    ["meta-llama/Llama-4-Scout-17B-16E-Instruct", "image"],
    ["meta-llama/Llama-Guard-4-12B", ""],
    ["llama-3.3-70b-versatile", ""],
    ["Qwen/Qwen2.5-VL-7B-Instruct", "image"],
    ["qwen2.5vl:7b", "image"],
    ["qwen3-vl-plus", "image"],
    ["qwen2.5-coder", ""],
    ["pixtral-12b-2409", "image"],
    ["mistral-small-latest", ""],
    ["mistral-small-2503", "image"],
    ["glm-4.5v", "image"],
    ["glm-4.6", ""],
    ["deepseek-chat", ""],
    ["grok-4", "image"],
    ["grok-3-mini", ""],
    ["gpt-6-mini", "image"],
    ["text-embedding-3-large", ""],
    ["gpt-4o-realtime-preview", ""],
    ["my-deployment", ""],
    ["", ""],
  ])("%s: %s", (model, taken) => {
    expect(mediaOfModel(model).join()).toBe(taken);
  });
});
