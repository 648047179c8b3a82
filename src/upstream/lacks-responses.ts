import type { UpstreamRefusal } from "../openai/upstream-error.ts";

/** Statuses of a path or a method that a server does not have. */
const ABSENT = new Set([404, 405, 501]);

/** What is not found is something that the request names, and not the path that it went to. */
const OF_THE_REQUEST = new RegExp(
  [
    "\\bmodels?\\b|\\bmodel_|deployment|endpoints found|provider",
    "\\btools?\\b|\\bwith id\\b|previous.?response|conversation",
    "\\bno such (?!route|path|url|endpoint|page|api|method)",
    // llama.cpp's "File Not Found" is of a path.
    "\\bfile.?ids?\\b|\\bfiles? ['\"`\\w-]*\\d|\\bproject\\b|organi[sz]ation",
    "\\bitem_|\\bprompt|vector.?store|container",
  ].join("|"),
  "i",
);

/** Whether a status may say that a server has no Responses API. */
export const mayLackResponses = (status: number): boolean => ABSENT.has(status);

/**
 * Whether a refusal of `POST /responses` says that the server has no such path: vLLM's "Not Found",
 * Groq's "Unknown request URL", a page of the server in front.
 */
export function lacksResponses({ response, message, code }: UpstreamRefusal): boolean {
  if (!mayLackResponses(response.status)) return false;
  return !OF_THE_REQUEST.test(`${code ?? ""} ${message}`);
}
