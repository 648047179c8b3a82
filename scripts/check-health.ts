/**
 * The images' health check: asks `/health` of this container, with the sidecar's token where there
 * is one.
 */
import { readFileSync } from "node:fs";

const { PORT = "3000", MCP_SIDECAR_TOKEN, MCP_SIDECAR_TOKEN_FILE } = process.env;
const token =
  MCP_SIDECAR_TOKEN ||
  (MCP_SIDECAR_TOKEN_FILE ? readFileSync(MCP_SIDECAR_TOKEN_FILE, "utf8").trim() : "");
const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
const answer = await fetch(`http://127.0.0.1:${PORT}/health`, {
  headers,
  signal: AbortSignal.timeout(4000),
});
if (!answer.ok)
  throw new Error(`/health answers with status ${answer.status}: ${await answer.text()}`);
