/** What a server changed of a tool, as texts that can be compared. */
import { isObject } from "../conversations/read-record.ts";
import { own } from "../own.ts";

/**
 * The members of `value` in the order that `model` has them, deeply: the order alone is no change.
 */
function orderedLike(value: unknown, model: unknown): unknown {
  if (Array.isArray(value)) {
    const models = Array.isArray(model) ? (model as unknown[]) : [];
    return value.map((item, index) => orderedLike(item, models[index]));
  }
  if (!isObject(value)) return value;
  const known = isObject(model) ? model : {};
  const names = [
    ...Object.keys(known).filter((name) => Object.hasOwn(value, name)),
    ...Object.keys(value).filter((name) => !Object.hasOwn(known, name)),
  ];
  return Object.fromEntries(
    names.map((name) => [name, orderedLike(own(value, name), own(known, name))]),
  );
}

const UNSEEN = /[\p{Cf}\p{Co}\p{Cn}]|(?![\n\t])\p{Cc}/gu;

/**
 * With what no reader sees spelled out: an instruction to the model must not hide from the
 * operator.
 */
export const spellUnseen = (text: string): string =>
  text.replaceAll(
    UNSEEN,
    (character) =>
      `⟨U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}⟩`,
  );

/** Both schemas as indented JSON, with members in one order. */
export function schemaTexts(from: unknown, to: unknown): [string, string] {
  return [JSON.stringify(from, null, 2), JSON.stringify(orderedLike(to, from), null, 2)];
}
