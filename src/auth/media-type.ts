import { cannotTell } from "./model-refusal.ts";

/** What a `content-type` says. */
export interface MediaType {
  /** `application/json`, in lower case. Empty where the request has none. */
  type: string;
  /** By name in lower case. */
  parameters: ReadonlyMap<string, string>;
}

const TYPE = /^\s*([\w.+-]+\/[\w.+-]+)\s*/;
const PARAMETER = /\s*;\s*([\w.*+-]+)=(?:"([^"\\]*)"|([^\s";,]+))\s*/y;
/** Elsewhere the same bytes could be other characters. */
const CHARSETS = new Set(["utf-8", "utf8", "us-ascii"]);

/**
 * Reads a `content-type` strictly.
 * @throws ApiError 403 where servers could read it, or the body by it, in different ways
 */
export function readMediaType(header: string | null): MediaType {
  const text = header ?? "";
  if (text.trim() === "") return { type: "", parameters: new Map() };
  const type = TYPE.exec(text);
  const parameters = new Map<string, string>();
  PARAMETER.lastIndex = type?.[0].length ?? 0;
  let end = PARAMETER.lastIndex;
  for (let found = PARAMETER.exec(text); found !== null; found = PARAMETER.exec(text)) {
    const [, name = "", quoted, plain = ""] = found;
    if (parameters.has(name.toLowerCase())) break;
    parameters.set(name.toLowerCase(), quoted ?? plain);
    end = PARAMETER.lastIndex;
  }
  const charset = parameters.get("charset")?.toLowerCase() ?? "utf-8";
  const isRead = type !== null && (end === text.length || text.slice(end).trim() === ";");
  if (
    !isRead ||
    !CHARSETS.has(charset) ||
    [...parameters.keys()].some((name) => name.includes("*"))
  )
    throw cannotTell(
      `the content-type "${text.slice(0, 200)}" can be read in different ways`,
      "content-type",
    );
  return { type: (type[1] ?? "").toLowerCase(), parameters };
}
