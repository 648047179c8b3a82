/** Responses in the background, as their clients ask for them. */
import { expect } from "vitest";
import { eventFaults, specFaults } from "./openai-spec.ts";
import { proxy } from "./proxy.ts";
import type { SeenResponse } from "./response-turn.ts";
import type { Answer } from "./upstream.ts";

type Json = Record<string, unknown>;

/** Who asks: a key, and where. */
export interface Asking {
  key: string;
  /** The proxy's URL; absent: the one that is tested. */
  at?: string;
}

/** A request about a response. */
export const askFor = ({ key, at = proxy.url }: Asking, path: string, method = "GET") =>
  fetch(`${at}/v1/responses/${path}`, { method, headers: { authorization: `Bearer ${key}` } });

/** A response as it is now, as the published document has one. */
export async function responseNow(asking: Asking, id: string): Promise<SeenResponse> {
  const answer = await askFor(asking, id);
  const text = await answer.text();
  expect(answer.status, text).toBe(200);
  return checked(JSON.parse(text) as SeenResponse);
}

/** What must hold of a response in the background at any time. */
export function checked(response: SeenResponse): SeenResponse {
  expect(specFaults("Response", response), JSON.stringify(response)).toEqual([]);
  expect(response.id).toMatch(/^resp_[0-9a-f]{40}$/);
  expect(response["background"]).toBe(true);
  return response;
}

/** Polls until a response has a status; every answer on the way is checked. */
export async function untilStatus(
  asking: Asking,
  id: string,
  status: string,
  timeout = 10_000,
): Promise<SeenResponse> {
  let last: SeenResponse | null = null;
  const now = async () => {
    last = await responseNow(asking, id);
    return last["status"];
  };
  await expect.poll(now, { timeout, interval: 20 }).toBe(status);
  return last as unknown as SeenResponse;
}

/** An answer that waits until it is let go. */
export function gated(answer: Answer): { answer: Answer; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return {
    answer: async (request, response) => {
      await opened;
      await answer(request, response);
    },
    open: () => open(),
  };
}

/** The numbers and events of a stream, each as the published document has one. */
export function checkedEvents(events: Json[]): Json[] {
  for (const event of events) expect(eventFaults(event), JSON.stringify(event)).toEqual([]);
  const numbers = events.map((event) => Number(event["sequence_number"]));
  expect(numbers).toEqual(numbers.toSorted((one, other) => one - other));
  expect(new Set(numbers).size).toBe(numbers.length);
  return events;
}
