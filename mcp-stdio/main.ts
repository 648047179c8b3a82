#!/usr/bin/env node
/**
 * The MCP OpenAI Router for clients that start their servers: hands each line of stdin to `/mcp` of
 * a proxy that runs, and each answer to stdout. Nothing but JSON-RPC is written there; whatever
 * else is to be said goes to stderr.
 *
 *     OPENAI_PROXY_URL=http://127.0.0.1:3000 OPENAI_PROXY_KEY=sk-proxy-… node mcp-stdio/main.ts
 */
import { Bridge } from "./bridge.ts";
import { readCommand } from "./read-command.ts";
import { readLines } from "./read-lines.ts";
import { say } from "./say.ts";

const WRONG_USE = 2;

/** Runs until stdin ends. */
async function main(): Promise<number> {
  const command = readCommand(process.argv.slice(2), process.env);
  if (typeof command === "string") {
    say(command);
    return WRONG_USE;
  }
  const bridge = new Bridge(command.url, command.key);
  process.stdout.on("error", () => process.exit(0));
  for await (const line of readLines(process.stdin)) void bridge.take(line);
  bridge.end();
  return 0;
}

process.exit(await main());
