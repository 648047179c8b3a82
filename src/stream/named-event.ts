const encoder = new TextEncoder();

/** A server-sent event with a name, which clients of the OpenAI API do not know. */
export function namedEvent(name: string, payload: unknown): Uint8Array {
  return encoder.encode(`event: ${name}\ndata: ${JSON.stringify(payload)}\n\n`);
}
