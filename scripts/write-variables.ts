/** `npm run variables`: writes what the documents say of environment variables anew. */
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { renderDevVarsExample, renderEnvExample, renderReadme } from "./render-variables.ts";

const ROOT = resolve(import.meta.dirname, "..");
const README = join(ROOT, "README.md");

writeFileSync(join(ROOT, ".env.example"), renderEnvExample());
writeFileSync(join(ROOT, ".dev.vars.example"), renderDevVarsExample());
writeFileSync(README, renderReadme(readFileSync(README, "utf8")));
