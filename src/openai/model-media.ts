/**
 * Which models take images and sounds, by their names. No upstream says so in a form that all
 * share, and a picture that is sent to a model without eyes is a 400. So a name that is in no row
 * counts as one without, and the loop asks again without pictures where a row is wrong.
 * `test/unit/model-media.test.ts` holds the rows against what gpt-tokenizer knows of OpenAI's
 * models. (2026-11)
 */
import type { ToolMedia } from "./tool-media.ts";

type Kind = ToolMedia["kind"];

const NONE: Kind[] = [];
const IMAGES: Kind[] = ["image"];
const SOUNDS: Kind[] = ["audio"];
const BOTH: Kind[] = ["image", "audio"];

/**
 * First match counts. Names are in lower case, without a provider in front (`openai/`,
 * `us.anthropic.`) and what follows a `:`.
 */
const ROWS: [RegExp, Kind[]][] = [
  [
    /embed|moderation|whisper|tts|transcribe|translate|realtime|search-(?:preview|api)|dall-e|gpt-image|rerank|guard/,
    NONE,
  ],
  [/^gpt-audio|-audio-preview/, SOUNDS],
  // OpenAI: texts only.
  [
    /^gpt-(?:3|oss|4-(?:0314|0613|32k|turbo-preview)|4-(?:0125|1106)-preview$)|^gpt-4$|^o1-(?:mini|preview)|^o3-mini/,
    NONE,
  ],
  // OpenAI: everything since gpt-4-turbo.
  [
    /^(?:chatgpt-4o|chat-latest|gpt-4(?:o|\.\d|-turbo|-vision|-1106-vision)|gpt-[5-9]|o[1345](?:-|$)|codex-mini|computer-use)/,
    IMAGES,
  ],
  [/^gemini-(?:pro|1\.0)(?!.*vision)/, NONE],
  [/^gemini-/, BOTH],
  [/^claude-(?:1|2|instant)/, NONE],
  [/^claude-/, IMAGES],
  [/omni|phi-4-multimodal|gemma-3n/, BOTH],
  [/voxtral|qwen2?-audio|ultravox/, SOUNDS],
  [
    /vision|llava|pixtral|moondream|minicpm-v|internvl|qvq|-vl(?:-|$|\d|:)|\dvl(?:-|$|:)|glm-4(?:\.\d)?v/,
    IMAGES,
  ],
  [
    /^llama-?4|^gemma-?3(?!.*-1b)|^mistral-(?:small-(?:3\.[1-9]|25|26)|medium-(?:3|25|26)|large-(?:3|25|26))|^grok-[4-9]|^nova-(?:lite|pro|premier)/,
    IMAGES,
  ],
];

/** A model's own name: without fine-tuning, provider, region and deployment around it. */
function ownName(model: string): string {
  const plain = model.toLowerCase().replace(/^ft:/, "").replace(/:.*$/s, "");
  return plain
    .replace(/^.*\//s, "")
    .replace(
      /^(?:(?:us|eu|apac|global)\.)?(?:anthropic|amazon|meta|mistral|google|openai|qwen)\./,
      "",
    );
}

/** What a model takes beside text, as far as its name tells. */
export function mediaOfModel(model: string): readonly Kind[] {
  const name = ownName(model);
  return ROWS.find(([pattern]) => pattern.test(name))?.[1] ?? NONE;
}
