/** What became of a text, line by line, and within a changed line word by word. */

/** A part of a line; `isChanged`: the other side has something else there. */
interface Piece {
  text: string;
  /** Where it begins in its line. */
  start: number;
  isChanged: boolean;
}

/** A line of either text. */
export interface DiffLine {
  kind: "same" | "removed" | "added";
  pieces: Piece[];
  /** Its number in the diff, from 0. */
  place: number;
}

type Unplaced = Omit<DiffLine, "place">;

interface Step<Item> {
  kind: DiffLine["kind"];
  item: Item;
}

/**
 * Beyond so many comparisons (two texts of 2,000 lines) everything counts as changed: a page must
 * not stand still.
 */
const MOST_COMPARISONS = 4_000_000;
/**
 * Where less than this part of the shorter line is in the longer one, they are not one line that
 * was changed.
 */
const ALIKE = 0.5;

const WORDS = /\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu;

/**
 * Lengths of the longest common subsequences of all ends of both: row by row, the last column and
 * row are 0.
 */
function commonLengths(from: readonly string[], to: readonly string[]): Uint32Array {
  const width = to.length + 1;
  const lengths = new Uint32Array((from.length + 1) * width);
  for (let row = from.length - 1; row >= 0; row--) {
    for (let column = to.length - 1; column >= 0; column--) {
      const at = row * width + column;
      const isSame = from[row] === to[column];
      lengths[at] = isSame
        ? (lengths[at + width + 1] ?? 0) + 1
        : Math.max(lengths[at + width] ?? 0, lengths[at + 1] ?? 0);
    }
  }
  return lengths;
}

const all = <Item>(kind: DiffLine["kind"], items: readonly Item[]): Step<Item>[] =>
  items.map((item) => ({ kind, item }));

/** What is removed comes before what is added in its place. */
function middleSteps(from: readonly string[], to: readonly string[]): Step<string>[] {
  if (from.length * to.length > MOST_COMPARISONS)
    return [...all("removed", from), ...all("added", to)];
  const lengths = commonLengths(from, to);
  const width = to.length + 1;
  const steps: Step<string>[] = [];
  let [row, column] = [0, 0];
  while (row < from.length && column < to.length) {
    const [mine = "", theirs = ""] = [from[row], to[column]];
    if (mine === theirs) {
      steps.push({ kind: "same", item: mine });
      row += 1;
      column += 1;
    } else if (
      (lengths[(row + 1) * width + column] ?? 0) >= (lengths[row * width + column + 1] ?? 0)
    ) {
      steps.push({ kind: "removed", item: mine });
      row += 1;
    } else {
      steps.push({ kind: "added", item: theirs });
      column += 1;
    }
  }
  return [...steps, ...all("removed", from.slice(row)), ...all("added", to.slice(column))];
}

/** The way from one list to another, by the longest common subsequence. */
function stepsBetween(from: readonly string[], to: readonly string[]): Step<string>[] {
  const shorter = Math.min(from.length, to.length);
  let start = 0;
  while (start < shorter && from[start] === to[start]) start += 1;
  let end = 0;
  while (end < shorter - start && from.at(-1 - end) === to.at(-1 - end)) end += 1;
  const middle = middleSteps(
    from.slice(start, from.length - end),
    to.slice(start, to.length - end),
  );
  return [
    ...all("same", from.slice(0, start)),
    ...middle,
    ...all("same", from.slice(from.length - end)),
  ];
}

/** Neighbours of one kind are one piece. */
function piecesOf(steps: Step<string>[], kind: "removed" | "added"): Piece[] {
  const pieces: Piece[] = [];
  for (const { kind: stepKind, item } of steps) {
    if (stepKind !== "same" && stepKind !== kind) continue;
    const isChanged = stepKind === kind;
    const last = pieces.at(-1);
    if (last?.isChanged === isChanged) last.text += item;
    else
      pieces.push({ text: item, start: (last?.start ?? 0) + (last?.text.length ?? 0), isChanged });
  }
  return pieces;
}

const lettersIn = (text: string) => text.replaceAll(/\s+/g, "").length;
const whole = (text: string): Piece[] => [{ text, start: 0, isChanged: false }];

/**
 * Both sides of a line that was changed; where they have little in common, without marks within.
 */
function changedLine(from: string, to: string): { removed: Piece[]; added: Piece[] } {
  const steps = stepsBetween(from.match(WORDS) ?? [], to.match(WORDS) ?? []);
  const common = steps
    .filter(({ kind }) => kind === "same")
    .reduce((sum, { item }) => sum + lettersIn(item), 0);
  const shorter = Math.min(lettersIn(from), lettersIn(to));
  if (common < shorter * ALIKE) return { removed: whole(from), added: whole(to) };
  return { removed: piecesOf(steps, "removed"), added: piecesOf(steps, "added") };
}

/** A run of changed lines: the first removed one became the first added one, and so on. */
function changedRun(run: Step<string>[]): Unplaced[] {
  const removed = run.filter(({ kind }) => kind === "removed");
  const added = run.filter(({ kind }) => kind === "added");
  const pairs = removed.map(({ item }, index) => {
    const other = added[index]?.item;
    return other === undefined ? null : changedLine(item, other);
  });
  return [
    ...removed.map(({ item }, index): Unplaced => ({
      kind: "removed",
      pieces: pairs[index]?.removed ?? whole(item),
    })),
    ...added.map(({ item }, index): Unplaced => ({
      kind: "added",
      pieces: pairs[index]?.added ?? whole(item),
    })),
  ];
}

/** The lines of both texts, in order: what stayed, what went, what came. */
export function diffLines(from: string, to: string): DiffLine[] {
  const lines: Unplaced[] = [];
  let run: Step<string>[] = [];
  for (const step of stepsBetween(from.split("\n"), to.split("\n"))) {
    if (step.kind !== "same") {
      run.push(step);
      continue;
    }
    lines.push(...changedRun(run), { kind: "same", pieces: whole(step.item) });
    run = [];
  }
  return [...lines, ...changedRun(run)].map((line, place) => ({ ...line, place }));
}

/** Lines that are shown, or how many of those that stayed the same are left out. */
export type DiffPart = { lines: DiffLine[] } | { skipped: number; place: number };

/** Without what stayed the same and is farther than `context` lines from any change. */
export function withoutFar(lines: DiffLine[], context: number): DiffPart[] {
  const parts: DiffPart[] = [];
  const isNear = (index: number) =>
    lines
      .slice(Math.max(0, index - context), index + context + 1)
      .some(({ kind }) => kind !== "same");
  for (const [index, line] of lines.entries()) {
    const last = parts.at(-1);
    if (isNear(index)) {
      if (last !== undefined && "lines" in last) last.lines.push(line);
      else parts.push({ lines: [line] });
    } else if (last !== undefined && "skipped" in last) last.skipped += 1;
    else parts.push({ skipped: 1, place: index });
  }
  return parts;
}
