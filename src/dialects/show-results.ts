/**
 * What a model is shown of its tools' results, whatever the dialect: words, and as many images and
 * sounds as one round and one turn may have.
 */
import { isObject, parseWithinBounds } from "../openai/json.ts";
import { MAX_ARGUMENTS_LENGTH } from "../openai/track-calls.ts";
import type { CallResult, ToolMedia } from "./dialect.ts";

/** What arguments may have of values, which are parsed at once: 20 ms or less (measured). */
const MAX_VALUES = 50_000;

/**
 * Whether arguments are what upstreams take back: the JSON text of an object, within the bounds of
 * what is read.
 */
export const areArguments = (text: string): boolean =>
  text.length <= MAX_ARGUMENTS_LENGTH && isObject(parseWithinBounds(text, MAX_VALUES));

/** In one round. */
const MAX_MEDIA = 8;
/**
 * Of base64, in characters: of one, of those of one round, and of those of one turn, which every
 * further round sends again.
 */
const MAX_LENGTH = 5 * 1024 * 1024;
const MAX_ROUND_LENGTH = 15 * 1024 * 1024;
const MAX_TURN_LENGTH = 20 * 1024 * 1024;

/** What was shown so far. */
interface Shown {
  count: number;
  length: number;
  turnLength: number;
}

/** Why one more is not shown, or null. Each row is a limit. */
function refusal({ data }: ToolMedia, { count, length, turnLength }: Shown): string | null {
  if (data.length > MAX_LENGTH) return `larger than ${MAX_LENGTH / 1024 / 1024} MB`;
  if (count >= MAX_MEDIA) return `one of more than ${MAX_MEDIA} at a time`;
  if (length + data.length > MAX_ROUND_LENGTH || turnLength + data.length > MAX_TURN_LENGTH)
    return "too large together with the others";
  return null;
}

/** Of bad arguments that are quoted to the model, in characters. */
const MAX_QUOTED = 2000;

/**
 * A result as the model reads it. Never blank, which some upstreams refuse; and where the history
 * could not take the model's arguments, they are quoted here.
 */
function wordsOf({ arguments: sent }: CallResult["call"], text: string): string {
  const words = text.trim() === "" ? "(The tool gave an empty result.)" : text;
  if (sent.trim() === "" || areArguments(sent)) return words;
  const quoted = sent.length > MAX_QUOTED ? `${sent.slice(0, MAX_QUOTED)}…` : sent;
  return `${words}\nYour arguments were no JSON object: ${quoted}`;
}

/** A result as the model is shown it. */
export interface ShownResult {
  call: CallResult["call"];
  text: string;
  /** What of its media is shown. */
  media: ToolMedia[];
}

/** Decides what is shown of one round after another. */
export function createResultShow(
  takes: (kind: ToolMedia["kind"]) => boolean,
): (results: CallResult[]) => ShownResult[] {
  let turnLength = 0;
  return (results) => {
    const shown: Shown = { count: 0, length: 0, turnLength };
    const visible = results.map(({ call, text, media }): ShownResult => {
      const notes: string[] = [];
      const taken: ToolMedia[] = [];
      for (const one of media.filter(({ kind }) => takes(kind))) {
        const refused = refusal(one, shown);
        if (refused !== null) {
          notes.push(`\n[${one.label}: not shown to you, because it is ${refused}]`);
          continue;
        }
        shown.count++;
        shown.length += one.data.length;
        shown.turnLength += one.data.length;
        taken.push(one);
      }
      return { call, text: wordsOf(call, text) + notes.join(""), media: taken };
    });
    turnLength = shown.turnLength;
    return visible;
  };
}
