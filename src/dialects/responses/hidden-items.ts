/** Items that a client does not see: what tools showed in them, and what the model reasoned. */
import { objectsOf, parseJson, type JsonObject } from "../../openai/json.ts";
import { decodedSize, type ToolMedia } from "../../openai/tool-media.ts";
import type { CallResult, HistoryItem, LoopEnd } from "../dialect.ts";
import { createResultShow, type ShownResult } from "../show-results.ts";

type Takes = (kind: ToolMedia["kind"]) => boolean;

/** A result's output: a text, or parts where it shows something. */
function outputOf({ text, media }: ShownResult): string | JsonObject[] {
  if (media.length === 0) return text;
  const images = media.map(({ mediaType, data }) => ({
    type: "input_image",
    image_url: `data:${mediaType};base64,${data}`,
    detail: "auto",
  }));
  return [{ type: "input_text", text }, ...images];
}

/** The items of one round's results after another. Outputs may show images, and no sounds. */
export function openResults(takes: Takes): (results: CallResult[]) => HistoryItem[] {
  const show = createResultShow((kind) => kind === "image" && takes(kind));
  return (results) =>
    show(results).map((shown) => ({
      type: "function_call_output",
      call_id: shown.call.id,
      output: outputOf(shown),
    }));
}

const isImage = ({ type }: JsonObject): boolean => type === "input_image";

/** Whether an item shows images of tools. */
export const showsMedia = (item: HistoryItem): boolean =>
  item["type"] === "function_call_output" && objectsOf(item["output"]).some(isImage);

/** An item with other parts in the place of its images. */
function mapImages(item: HistoryItem, change: (part: JsonObject) => JsonObject[]): HistoryItem {
  if (!showsMedia(item)) return item;
  const parts = objectsOf(item["output"]).flatMap((part) =>
    isImage(part) ? change(part) : [part],
  );
  const [first, ...others] = parts;
  const isText = others.length === 0 && first?.["type"] === "input_text";
  return { ...item, output: isText ? first["text"] : parts };
}

/** An item without what it shows. */
export const withoutShown = (item: HistoryItem): HistoryItem => mapImages(item, () => []);

/** Of base64 in what is kept of a turn, in characters. */
const MAX_KEPT_LENGTH = 6 * 1024 * 1024;

/** Items as they are kept: with words in the place of large images, the newest of which stay. */
export function keptItems(items: HistoryItem[]): HistoryItem[] {
  let left = MAX_KEPT_LENGTH;
  const kept = items.toReversed().map((item) =>
    mapImages(item, (part) => {
      const url = typeof part["image_url"] === "string" ? part["image_url"] : "";
      if (url.length <= left) {
        left -= url.length;
        return [part];
      }
      const size = decodedSize(url.slice(url.indexOf(",") + 1));
      return [{ type: "input_text", text: `[an image, ${size}: too large to be kept]` }];
    }),
  );
  return kept.toReversed();
}

/** Another text for items kept as one, where there is something to change. */
const mapKept = (hidden: string, change: (items: HistoryItem[]) => HistoryItem[]): string =>
  JSON.stringify(change(objectsOf(parseJson(hidden))));

/** Kept items without images; the same text where there are none. */
export const wordsOnly = (hidden: string): string =>
  hidden.includes('"input_image"') ? mapKept(hidden, (items) => items.map(withoutShown)) : hidden;

/** Kept items by place, with the images that the model takes. */
export function restoredItems(
  hidden: ReadonlyMap<number, string>,
  takes: Takes,
): Map<number, string> {
  const shown = [...hidden].map(([place, text]): [number, string] => [
    place,
    takes("image") ? text : wordsOnly(text),
  ]);
  return new Map(shown);
}

/** Whether an item is what a model reasoned. */
export const hasReasoning = (item: HistoryItem): boolean => item["type"] === "reasoning";

/** Kept items without that; the same text where there is none. */
export const unreasoned = (hidden: string): string =>
  hidden.includes('"reasoning"')
    ? mapKept(hidden, (items) => items.filter((item) => !hasReasoning(item)))
    : hidden;

/**
 * The items of a turn in the model's order, each call with its output but for those that the client
 * answers.
 */
export function modelItems(end: LoopEnd): HistoryItem[] {
  const last = end.rounds.at(-1);
  const items = end.isMixed ? end.hidden : [...end.hidden, ...(last?.items ?? [])];
  const callsOfClient = new Set<unknown>(end.clientCalls.map(({ id }) => id));
  const answered = new Set(
    items.filter(({ type }) => type === "function_call_output").map((item) => item["call_id"]),
  );
  const isLeft = ({ type, call_id: id }: HistoryItem) =>
    type === "function_call" && !callsOfClient.has(id) && !answered.has(id);
  const ended = items.filter(isLeft).map((item) => ({
    type: "function_call_output",
    call_id: item["call_id"],
    output: NOT_RUN,
  }));
  return [...items, ...ended];
}

/** What a call is told that came when no more tools could be called. */
export const NOT_RUN = "Error: not run, because this turn could call no more tools.";
