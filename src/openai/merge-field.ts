import { isObject, ownMember, setMember, type JsonObject } from "./json.ts";

/** Fields that name a thing rather than carry a part of it: the latest value stands. */
const WHOLE_FIELDS = new Set(["role", "id", "type"]);

/**
 * Adds a field of a delta to what came before it: texts and lists grow, objects are merged, null
 * says nothing. What grows is the target's own: no delta is changed, and adding to a long list costs
 * no more than to a short one.
 */
export function mergeField(target: JsonObject, field: string, value: unknown): void {
  const before = ownMember(target, field);
  if (typeof value === "string" && typeof before === "string" && !WHOLE_FIELDS.has(field))
    setMember(target, field, before + value);
  else if (Array.isArray(value) && Array.isArray(before))
    for (const item of value) before.push(item);
  else if (isObject(value) && isObject(before))
    for (const [name, part] of Object.entries(value)) mergeField(before, name, part);
  else if (value !== null && value !== undefined) setMember(target, field, ownCopy(value));
  else if (before === undefined) setMember(target, field, null);
}

/** A value whose objects and lists may grow; the items of a list are as they were. */
function ownCopy(value: unknown): unknown {
  if (Array.isArray(value)) return [...(value as unknown[])];
  if (!isObject(value)) return value;
  const members = Object.entries(value);
  return Object.fromEntries(members.map(([name, part]) => [name, ownCopy(part)]));
}
