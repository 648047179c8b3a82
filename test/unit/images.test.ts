/** What the images hold: each has only what its Dockerfile stage copies. */
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

/** The files that a program imports, itself included, without packages. */
function filesOf(entry: string, found = new Set<string>()): Set<string> {
  if (found.has(entry)) return found;
  found.add(entry);
  const imports = read(entry).matchAll(
    /^\s*(?:import|export)\s+(?!type\s)(?:[^;'"]*?\sfrom\s+)?["'](\.[^"']+)["']/gm,
  );
  for (const [, target = ""] of imports) filesOf(normalize(join(dirname(entry), target)), found);
  return found;
}

/** What a stage copies of the repository, files and folders. */
function copiedBy(stage: string): string[] {
  const [, rest = ""] = read("Dockerfile").split(` AS ${stage}\n`);
  const [part = ""] = rest.split(/^FROM /m);
  const lines = [...part.matchAll(/^COPY (?!--from)(.*) \S+$/gm)];
  return lines.flatMap(([, sources = ""]) => sources.split(" "));
}

const missing = (files: Iterable<string>, copied: string[]) =>
  [...files].filter((file) => !copied.some((one) => file === one || file.startsWith(`${one}/`)));

describe("an image has every file that its program imports", () => {
  it.each([
    ["mcp-sidecar", "mcp-sidecar/main.ts"],
    ["mcp-sidecar", "scripts/check-health.ts"],
    ["app", "src/node/main.ts"],
    ["app", "src/node/run.ts"],
    ["app", "scripts/make-secrets.ts"],
    ["app", "mcp-stdio/main.ts"],
  ])("%s: %s", (stage, entry) => {
    const files = filesOf(entry);
    expect(missing(files, copiedBy(stage))).toEqual([]);
  });

  it("nothing that is copied is kept from the build by .dockerignore", () => {
    const kept = [...read(".dockerignore").matchAll(/^!(.+)$/gm)].map(([, path = ""]) => path);
    const copied = ["dependencies", "page", "mcp-sidecar", "app"].flatMap(copiedBy);
    expect(missing(copied, kept)).toEqual([]);
  });

  it("the sidecar takes more than its own folder", () => {
    const outside = [...filesOf("mcp-sidecar/main.ts")].filter((f) => f.startsWith("src/"));
    expect(outside.length).toBeGreaterThan(1);
    expect(missing(outside, ["mcp-sidecar"])).toEqual(outside);
  });
});
