/** What the table of members says of one request. */
import { isObject, type JsonObject } from "../../openai/json.ts";
import { LOGPROBS, MEMBERS, type MemberRow } from "./responses-members.ts";

/** What `include` asks for that an answer has, or that needs no asking for. */
const KNOWN_INCLUDES = new Set<unknown>([LOGPROBS, "reasoning.encrypted_content"]);

/** A row that says something of a request. */
interface Applied {
  row: MemberRow;
  value: unknown;
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

function valueOf(body: JsonObject, member: string): unknown {
  const [name = "", inner] = member.split(".");
  const outer = body[name];
  if (inner === undefined) return outer;
  return isObject(outer) ? outer[inner] : undefined;
}

/** The rows that a request gives something to do. */
export const appliedRows = (body: JsonObject): Applied[] =>
  MEMBERS.map((row) => ({ row, value: valueOf(body, row.member) })).filter(
    ({ row, value }) => isGiven(value) && (row.matters?.(value) ?? true),
  );

/** What `include` asks for in vain. */
export const vainIncludes = ({ include }: JsonObject): unknown[] =>
  Array.isArray(include) ? include.filter((name) => !KNOWN_INCLUDES.has(name)) : [];

/** Names of members that are not sent as they were spelled. */
export const CHANGED_MEMBERS = new Set(
  MEMBERS.filter(({ fate }) => fate !== "same").map(({ member }) => member.split(".")[0] ?? ""),
);

/** Names of members that are. */
export const SAME_MEMBERS = MEMBERS.filter(({ fate }) => fate === "same").map(
  ({ member }) => member,
);
