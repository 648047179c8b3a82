/** `npm run variables`: writes what the documents say of environment variables anew. */
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  renderDevVarsExample,
  renderEnvExample,
  renderMcpServers,
  renderReadme,
} from "./render-variables.ts";

const ROOT = resolve(import.meta.dirname, "..");

/** Writes a file anew, made of what stands in it. */
function rewrite(name: string, render: (before: string) => string): void {
  const path = join(ROOT, name);
  writeFileSync(path, render(readFileSync(path, "utf8")));
}

rewrite(".env.example", renderEnvExample);
rewrite(".dev.vars.example", renderDevVarsExample);
rewrite("README.md", renderReadme);
rewrite("docs/mcp-servers.md", renderMcpServers);
