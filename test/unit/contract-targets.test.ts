import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, matchesGlob } from "node:path";
import { describe, expect, it } from "vitest";
import {
  contractFiles,
  ROWS,
  SLOW_FILES,
  TARGETS,
  type Suite,
  type Target,
} from "../contract-targets.ts";

const ROOT = join(import.meta.dirname, "../..");
const named = ROWS.flatMap(({ files }) => files);
const runs = (target: Target, suite: Suite, name: string): boolean => {
  const path = `test/contract/${name}.test.ts`;
  const { include, exclude } = contractFiles(target, suite);
  return include.some((glob) => matchesGlob(path, glob)) && !exclude.includes(path);
};

describe("where the contract runs", () => {
  it("each file is there, and in one row only", () => {
    const there = readdirSync(join(ROOT, "test/contract"));
    expect(named.filter((name) => !there.includes(`${name}.test.ts`))).toEqual([]);
    expect(named.filter((name, index) => named.indexOf(name) !== index)).toEqual([]);
  });

  it("every file, a new one too, runs on Node at least, and nowhere twice", () => {
    for (const name of [...named, "a-new-file"]) {
      const places = TARGETS.flatMap((target) =>
        (["fast", "slow"] as const).filter((suite) => runs(target, suite, name)).map(() => target),
      );
      expect(new Set(places).size, name).toBe(places.length);
      expect(
        places.some((target) => target !== "workerd"),
        name,
      ).toBe(true);
    }
  });

  it("has every test that the documents name", () => {
    const documents = ["SECURITY.md", "docs/reliability.md", "CONTRIBUTING.md", "ARCHITECTURE.md"];
    const named = documents.flatMap((path) => {
      const text = readFileSync(join(ROOT, path), "utf8");
      return [...text.matchAll(/`(test\/[\w./-]+\.ts)`/g)].map(([, name = ""]) => name);
    });
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((name) => !existsSync(join(ROOT, name)))).toEqual([]);
  });

  it("names no slow file that is not there", () => {
    for (const path of Object.keys(SLOW_FILES))
      expect(readdirSync(join(ROOT, path, "..")), path).toContain(path.split("/").at(-1));
  });
});
