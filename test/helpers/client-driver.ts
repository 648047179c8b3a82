/** How a test makes any client library talk to the proxy, as a key that has one server tool. */
import {
  startRounds,
  startRoundsOverResponses,
  type ScriptedRound,
  type TokenSum,
} from "./mixed-upstream.ts";
import { proxy } from "./proxy.ts";
import type { ScriptedUpstream } from "./upstream.ts";

/** A tool that the client itself runs. */
export interface ClientTool {
  name: string;
  description: string;
  parameters: {
    type: "object";
    properties: Record<string, { type: "string" | "number" }>;
    required: string[];
  };
  run(args: unknown): string;
}

/** One answer of the proxy, as the library reports it to its user. */
export interface ClientAnswer {
  text: string;
  calls: { id: string; name: string; args: unknown }[];
  finishReason: string | null | undefined;
  usage: TokenSum;
}

/** What a driver needs to make its library talk to the proxy. */
export interface ClientOptions {
  baseURL: string;
  apiKey: string;
  tools: ClientTool[];
}

/** A way in which a client library talks to a model. */
export interface ClientDriver {
  name: string;
  /**
   * In which dialect its upstream is asked; `auto`: one that refuses tools on chat completions is
   * asked in the dialect that it takes. Absent: chat completions.
   */
  upstreamDialect?: "responses" | "auto";
  /** The library's words for how an answer ended. */
  says: { stop: string; calls: string };
  /**
   * Begins a conversation with the library's own history. What it gives asks one question, runs the
   * client's tools for as long as the model wants, and gives every answer on the way.
   */
  open(options: ClientOptions): (question: string) => Promise<ClientAnswer[]>;
}

const ADD = {
  name: "add",
  type: "function",
  parameters: {
    type: "object",
    properties: { a: { type: "number" }, b: { type: "number" } },
    required: ["a", "b"],
  },
  implementation: "return args.a + args.b;",
};

const oneString = (name: string) => ({
  type: "object" as const,
  properties: { [name]: { type: "string" as const } },
  required: [name],
});

/**
 * A conversation of a client whose key has the server tool `add`; the client's own tools are
 * `ask_user` and `read_file`.
 */
interface Conversation {
  /** The server tool's name, as the model knows it. */
  add: string;
  upstream: ScriptedUpstream;
  ask: ReturnType<ClientDriver["open"]>;
  /** The client's own calls, as its tools were run. */
  ran: string[];
}

/** @param script the model's rounds; it is told the server tool's name */
export async function converse(
  driver: ClientDriver,
  script: (add: string) => ScriptedRound[],
): Promise<Conversation> {
  const ran: string[] = [];
  const tool = (name: string, parameter: string): ClientTool => ({
    name,
    description: `The client's ${name}.`,
    parameters: oneString(parameter),
    run: (args) => {
      ran.push(`${name} ${JSON.stringify(args)}`);
      return `result of ${name}`;
    },
  });
  const { id, name: add } = await proxy.createTool(ADD);
  const start = driver.upstreamDialect === "auto" ? startRoundsOverResponses : startRounds;
  const upstream = await start(...script(add));
  const { key } = await proxy.createKey({
    toolIds: [id],
    openaiBaseUrl: upstream.url,
    upstreamDialect: driver.upstreamDialect ?? null,
  });
  const tools = [tool("ask_user", "question"), tool("read_file", "path")];
  return {
    add,
    upstream,
    ran,
    ask: driver.open({ baseURL: `${proxy.url}/v1`, apiKey: key, tools }),
  };
}
