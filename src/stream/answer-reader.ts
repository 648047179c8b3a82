import { readUsage, type Usage } from "../openai/usage.ts";
import { isObject, parseJson } from "../openai/json.ts";
import { readEvents } from "../openai/read-events.ts";

export interface AnswerFacts {
  usage: Usage | null;
  model: string | null;
  id: string | null;
  finishReason: string | null;
  error: { message: string | null; code: string | null } | null;
  text: string;
  truncated: boolean;
  bytes: number;
  sha256: string;
  isText: boolean;
}
export interface AnswerReader {
  onChunk(bytes: Uint8Array): void;
  end(): Promise<AnswerFacts>;
}
export function createAnswerReader(options: {
  contentType: string;
  contentEncoding: string;
  maxKeptBytes: number;
  wantsDigest: boolean;
}): AnswerReader {
  const chunks: Uint8Array[] = [];
  return {
    onChunk: (bytes) => void chunks.push(bytes),
    end: async () => {
      const text = await new Response(new Blob(chunks as never)).text();
      const isEvents = options.contentType.toLowerCase().startsWith("text/event-stream");
      const all = isEvents ? readEvents(text).map(parseJson) : [parseJson(text)];
      const objects = all.filter(isObject);
      const usage = objects.reduce<Usage | null>((u, o) => readUsage(o["usage"]) ?? u, null);
      const error = objects.map((o) => o["error"]).find(isObject);
      return {
        usage,
        model: null,
        id: null,
        finishReason: null,
        error:
          error === undefined
            ? null
            : {
                message: typeof error["message"] === "string" ? error["message"] : null,
                code: typeof error["code"] === "string" ? error["code"] : null,
              },
        text,
        truncated: false,
        bytes: text.length,
        sha256: "",
        isText: true,
      };
    },
  };
}
