import type { Context } from "hono";
import type { RequestScope } from "../platform.ts";
import { serveMcp, type ServeInside } from "../mcp-router/serve-mcp.ts";
import { VERSION } from "./version.ts";

/**
 * `POST /mcp` and `DELETE /mcp`: the MCP OpenAI Router.
 * @param serveInside the proxy's own routes, which its tools use
 */
export function mcp(
  serveInside: ServeInside,
): (context: Context<{ Bindings: RequestScope }>) => Promise<Response> {
  return (context) =>
    serveMcp({ scope: context.env, request: context.req.raw, serveInside, version: VERSION });
}
