/** Tells whoever started the command something: on stderr, because stdout is JSON-RPC's alone. */
export function say(text: string): void {
  process.stderr.write(`openai-proxy-server mcp: ${text}\n`);
}
