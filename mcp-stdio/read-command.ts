/** What the command was asked to do. */
interface Command {
  /** The address of `/mcp`. */
  url: string;
  /** A key of the proxy. */
  key: string;
}

/** The address of `/mcp`, whether `OPENAI_PROXY_URL` names the proxy, its `/v1` or its `/mcp`. */
function mcpUrl(text: string): string | null {
  if (!URL.canParse(text) || !/^https?:/.test(text)) return null;
  const proxy = text.replace(/\/+$/, "").replace(/\/(?:v1|mcp)$/, "");
  return `${proxy}/mcp`;
}

/** Reads arguments and environment; where they make no command, a sentence that says why. */
export function readCommand(args: string[], env: NodeJS.ProcessEnv): Command | string {
  const [name = "mcp", ...others] = args;
  const { OPENAI_PROXY_URL: address = "http://127.0.0.1:3000", OPENAI_PROXY_KEY: key = "" } = env;
  const url = mcpUrl(address);
  if (name !== "mcp" || others.length > 0) return "the one command is mcp, without arguments";
  if (url === null) return `OPENAI_PROXY_URL is "${address}", which is no http:// or https:// URL`;
  if (key === "") return "set OPENAI_PROXY_KEY to a key of the proxy (it starts with sk-proxy-)";
  return { url, key };
}
