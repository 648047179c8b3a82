/** Conversations on record, for tests of what can be done with them. */
import { proxy } from "./proxy.ts";
import { startUpstream, type Answer } from "./upstream.ts";

/**
 * What one test's conversations have in common: a key, whose upstream gives the answers in order.
 */
export interface Recorder {
  keyId: string;
  key: string;
  /** Asks once, and gives the conversation's id as soon as it is on record. */
  converse(content: unknown, more?: Record<string, unknown>): Promise<string>;
  /** Asks once, and gives the id at once. */
  ask(content: unknown, more?: Record<string, unknown>): Promise<string>;
}

/** A key of the test's own, so that `apiKeyId` finds its conversations only. */
export async function startRecorder(
  fields: Record<string, unknown>,
  ...answers: Answer[]
): Promise<Recorder> {
  const upstream = await startUpstream(...answers);
  const { id: keyId, key } = await proxy.createKey({ openaiBaseUrl: upstream.url, ...fields });
  const ask = async (content: unknown, more: Record<string, unknown> = {}) => {
    const response = await fetch(`${proxy.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "gpt-test", messages: [{ role: "user", content }], ...more }),
    });
    await response.text();
    return response.headers.get("x-proxy-conversation-id") ?? "";
  };
  return {
    keyId,
    key,
    ask,
    converse: async (content, more) => (await proxy.conversation(await ask(content, more))).id,
  };
}
