/** The items of a response's input, as its client asks for them. */
import { isObject, objectsOf, parseJson, type JsonObject } from "../../openai/json.ts";

/** What a text of somebody is called in a message of theirs. */
const textPart = (role: unknown, text: string): JsonObject =>
  role === "assistant"
    ? { type: "output_text", annotations: [], logprobs: [], text }
    : { type: "input_text", text };

/** An item with all that the API says of one. */
function inputItem(item: JsonObject, id: string): JsonObject {
  const { role, content } = item;
  const isMessage = role !== undefined && (item["type"] ?? "message") === "message";
  if (!isMessage) return { id, status: "completed", ...item };
  const parts = typeof content === "string" ? [textPart(role, content)] : objectsOf(content);
  return { id, status: "completed", ...item, type: "message", content: parts };
}

/** A response that was gone on from: its client's input, and what it was given. */
interface Listed {
  id: string;
  /** JSON text of an array, and of a response. */
  sent: string;
  body: string;
}

/** The items that a response was made of, oldest first. @param chain itself the last */
export function inputItems(chain: Listed[]): JsonObject[] {
  const last = chain.at(-1);
  return chain.flatMap((response) => {
    const { id, sent, body } = response;
    const prefix = `item_${id.replace(/^resp_/, "")}`;
    const input = objectsOf(parseJson(sent)).map((item, index) =>
      inputItem(item, `${prefix}${String(index).padStart(4, "0")}`),
    );
    const said = response === last ? undefined : parseJson(body);
    return [...input, ...objectsOf(isObject(said) ? said["output"] : undefined)];
  });
}

/** Which of a list's items are asked for. */
export interface ListQuery {
  limit: number;
  order: string;
  after: string | null;
}

/** A page of a list, as the API has it. */
export function pageOf(items: JsonObject[], { limit, order, after }: ListQuery): JsonObject {
  const ordered = order === "asc" ? items : items.toReversed();
  const start = after === null ? 0 : ordered.findIndex(({ id }) => id === after) + 1;
  const data = ordered.slice(start, start + limit);
  return {
    object: "list",
    data,
    first_id: data[0]?.["id"] ?? null,
    last_id: data.at(-1)?.["id"] ?? null,
    has_more: start + limit < ordered.length,
  };
}
