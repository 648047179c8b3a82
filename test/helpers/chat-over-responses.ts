/** Chat clients whose upstream is asked in the Responses API. */
import { expect } from "vitest";
import { requestFaults } from "./both-dialects.ts";
import { keyWithAdd, type AddingKey } from "./chat-turn.ts";
import type { Answer, ScriptedUpstream } from "./upstream.ts";

type Json = Record<string, unknown>;

/** A key with a tool that adds, whose upstream is asked in the Responses API. */
export const overResponses = (
  script: (add: string) => Answer[],
  fields: Json = {},
): Promise<AddingKey> => keyWithAdd(script, {}, { upstreamDialect: "responses", ...fields });

/** Fails where upstream was sent what its document does not take. */
export function checkSent({ requests }: ScriptedUpstream): void {
  for (const request of requests) {
    expect(request.url).toBe("/v1/responses");
    const body = request.json();
    expect(requestFaults(body), JSON.stringify(body)).toEqual([]);
  }
}
