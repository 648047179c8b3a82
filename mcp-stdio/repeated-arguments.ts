/**
 * Arguments that a call repeats in headers (`x-mcp-header` in a tool's schema, 2026-07-28), so that
 * what stands between can route by them.
 */
import { isJson, objectAt, ownMember, type Json } from "./json.ts";

/** A place in a call's arguments, and the name under which a header repeats what stands there. */
export interface RepeatedArgument {
  path: string[];
  header: string;
}

/** Those of a tool's input schema, at any depth of `properties`. */
export function repeatedArguments(schema: unknown, path: string[] = []): RepeatedArgument[] {
  return Object.entries(objectAt(schema, "properties")).flatMap(([name, child]) => {
    const header = isJson(child) ? child["x-mcp-header"] : undefined;
    const here = [...path, name];
    const own = typeof header === "string" ? [{ path: here, header }] : [];
    return [...own, ...repeatedArguments(child, here)];
  });
}

const valueAt = (args: Json, path: string[]): unknown =>
  path.reduce<unknown>((inner, name) => (isJson(inner) ? ownMember(inner, name) : undefined), args);

/** The headers of a call with these arguments. What is not there, or no scalar, has none. */
export function argumentHeaders(repeated: RepeatedArgument[], args: Json): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { path, header } of repeated) {
    const value = valueAt(args, path);
    const isScalar = ["string", "number", "boolean"].includes(typeof value);
    if (isScalar) headers[`mcp-param-${header}`] = headerText(String(value));
  }
  return headers;
}

/** Header values are ASCII; anything else is spelled in base64, as the specification has it. */
export function headerText(value: string): string {
  const isPlain =
    /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) && !value.startsWith("=?base64?");
  return isPlain ? value : `=?base64?${Buffer.from(value).toString("base64")}?=`;
}
