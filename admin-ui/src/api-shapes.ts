/** What the admin API answers, derived from the server's own types: a field that changes there does not compile here. */
import type { ErrorBody } from "../../src/openai/api-error.ts";
import type { PartHealth } from "../../src/platform.ts";
import type { ConversationDetail as ServerDetail, ConversationRow } from "../../src/store/conversations.ts";
import type { StoredKey } from "../../src/store/keys.ts";
import type { StoredTool } from "../../src/store/tools.ts";

/** A value after its way through JSON: dates are ISO 8601 texts. */
type AsJson<T> = T extends Date ? string : T extends object ? { [Name in keyof T]: AsJson<T[Name]> } : T;

export type ApiKey = AsJson<StoredKey>;

/** The answer to a key's creation: the only one that has the key itself. */
export interface CreatedKey extends ApiKey {
  key: string;
}

export interface Tool extends AsJson<Omit<StoredTool, "parameters" | "env">> {
  /** JSON Schema of the arguments. */
  parameters: unknown;
  /** Names of the stored variables; null where they cannot be decrypted. */
  envNames: string[] | null;
}

/** A conversation in a list. */
export type Conversation = AsJson<ConversationRow>;

export type ConversationDetail = AsJson<ServerDetail>;
export type Turn = ConversationDetail["turns"][number];
export type Message = ConversationDetail["messages"][number];
export type ToolExecution = ConversationDetail["toolExecutions"][number];
export type Round = ConversationDetail["rounds"][number];

export interface Health {
  status: PartHealth["status"];
  parts: Record<string, PartHealth>;
}

export type HealthStatus = PartHealth["status"];

/** Part of a list, newest first. */
export interface Page<Row> {
  data: Row[];
  /** Null on the last page. */
  nextCursor: string | null;
}

export type ApiFault = ErrorBody["error"];
