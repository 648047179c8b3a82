import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { Spool } from "../../src/node/spool.ts";

/** A spool, and what it told its reader: closed segments, the last that grew, orphaned lines. */
function startSpool(dataDir = mkdtempSync(join(tmpdir(), "spool-"))) {
  const seen = { grown: "", closed: [] as string[], orphaned: [] as string[] };
  const spool = new Spool(dataDir, {
    grown: (path) => void (seen.grown = path),
    closed: (path) => void seen.closed.push(path),
    orphaned: (_path, lines) => void seen.orphaned.push(...lines),
  });
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }));
  return { spool, seen, dataDir };
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
  expect(seen.closed, "nobody reads a line before it is whole").toEqual([]);
  await long;
  expect(seen.closed.map(linesOf)).toEqual([[line("b", 700 * KB), ""]]);
  spool.close();
});

it("mixes no lines, however many are long, and closes a segment after its last line", async () => {
  const { spool, seen } = startSpool();
  const lines = Array.from({ length: 30 }, (_, index) =>
    line(`${index} `, (index % 3 === 0 ? 900 : 20) * KB),
  );
  const kept = Promise.all(lines.map(async (text) => spool.append(text)));
  await kept;
  spool.close();
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

it("takes over what another spool left, once that is closed and not before", () => {
  const { spool, dataDir } = startSpool();
  const { spool: other, seen } = startSpool(dataDir);
  void spool.append("one");
  expect(other.adopt()).toEqual({ adopted: [], failures: [] });
  spool.close();
  const { adopted } = other.adopt();
  expect(adopted.map(linesOf)).toEqual([["one", ""]]);
  expect(seen.closed).toEqual([]);
  expect(readdirSync(join(dataDir, "spool"))).toHaveLength(2);
});

it("takes over directories of any name, and files whose names have grown", () => {
  const { spool, dataDir } = startSpool();
  const old = join(dataDir, "spool", "host-1-abcd", `adopted-0-${"adopted-0-".repeat(20)}1.ndjson`);
  mkdirSync(dirname(old), { recursive: true });
  writeFileSync(old, "old\n");
  writeFileSync(join(dirname(old), "alive"), "");
  writeFileSync(join(dataDir, "spool", "stray.lock"), "");
  const { adopted, failures } = spool.adopt();
  expect(failures).toEqual([]);
  expect(adopted.map((path) => basename(path))).toEqual(["00000001.ndjson"]);
  expect(adopted.map(linesOf)).toEqual([["old", ""]]);
  expect(readdirSync(join(dataDir, "spool"))).toHaveLength(2);
});

it("leaves nothing behind that a closed spool does not need", () => {
  const { spool, dataDir } = startSpool();
  spool.adopt();
  spool.close();
  expect(readdirSync(join(dataDir, "spool"))).toEqual([]);
});

it("goes on where its directory was taken away, and hands over what was in the open segment", () => {
  const { spool, seen, dataDir } = startSpool();
  void spool.append("one");
  rmSync(join(dataDir, "spool"), { recursive: true });
  void spool.append("two");
  expect(seen.orphaned).toEqual(["one"]);
  expect(linesOf(seen.grown)).toEqual(["two", ""]);
  renameSync(join(dataDir, "spool"), join(dataDir, "moved"));
  expect(spool.missing(seen.grown)).toBe(true);
  expect(seen.orphaned).toEqual(["one", "two"]);
  void spool.append("three");
  expect(linesOf(seen.grown)).toEqual(["three", ""]);
});

it("throws where a file is in the place of its directory, and goes on once it is gone", async () => {
  const { spool, seen, dataDir } = startSpool();
  writeFileSync(join(dataDir, "spool"), "");
  expect(() => spool.append("one")).toThrow("EEXIST");
  await expect(spool.append(line("a", 300 * KB))).rejects.toThrow("EEXIST");
  expect(spool.fault).toMatchObject({ code: "EEXIST" });
  spool.probe();
  expect(spool.fault).not.toBeNull();
  rmSync(join(dataDir, "spool"));
  spool.probe();
  expect(spool.fault).toBeNull();
  void spool.append("two");
  expect(linesOf(seen.grown)).toEqual(["two", ""]);
});
