import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { openSpool } from "../../src/node/spool.ts";

/** A spool, and what it told its reader: the closed segments, and the last that grew. */
function startSpool() {
  const directory = mkdtempSync(join(tmpdir(), "spool-"));
  const seen = { grown: "", closed: [] as string[] };
  const spool = openSpool(directory, {
    grown: (path) => void (seen.grown = path),
    closed: (path) => void seen.closed.push(path),
  });
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return { spool, seen };
}

const KB = 1024;
/** A line that can be told from others: 300 KB are written beside the event loop. */
const line = (name: string, bytes: number) => JSON.stringify(name.repeat(bytes / name.length));
const linesOf = (path: string) => readFileSync(path, "utf8").split("\n");

it("has a short line in its file when the call returns", () => {
  const { spool, seen } = startSpool();
  expect(spool.append(line("a", 255 * KB))).toBeUndefined();
  expect(linesOf(seen.grown)).toEqual([line("a", 255 * KB), ""]);
  spool.close();
});

it("has a long line in its file, whole, when its promise resolves, and none before it is told", async () => {
  const { spool, seen } = startSpool();
  const long = spool.append(line("b", 700 * KB));
  expect(seen.grown, "nobody reads a line before it is whole").toBe("");
  await long;
  expect(linesOf(seen.grown)).toEqual([line("b", 700 * KB), ""]);
  spool.close();
});

it("mixes no lines, however many are long, and closes a segment after its last line", async () => {
  const { spool, seen } = startSpool();
  const lines = Array.from({ length: 30 }, (_, index) =>
    line(`${index} `, (index % 3 === 0 ? 900 : 20) * KB),
  );
  const kept = Promise.all(lines.map(async (text) => spool.append(text)));
  spool.close();
  await kept;
  const read = seen.closed.flatMap((path) => linesOf(path).filter((text) => text !== ""));
  expect(seen.closed.length).toBeGreaterThan(1);
  expect(read.toSorted()).toEqual(lines.toSorted());
});

it("keeps a line that is longer than a segment, and closes its file once", async () => {
  const { spool, seen } = startSpool();
  await spool.append(line("c", 5000 * KB));
  await spool.append(line("d", 5000 * KB));
  expect(seen.closed).toHaveLength(2);
  expect(new Set(seen.closed).size).toBe(2);
  expect(seen.closed.flatMap(linesOf)).toEqual([
    line("c", 5000 * KB),
    "",
    line("d", 5000 * KB),
    "",
  ]);
  spool.close();
});
