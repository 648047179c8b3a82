/** What became of a text, line by line, and within a changed line word by word. */
import { diffArrays } from "diff";

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

interface Step {
  kind: DiffLine["kind"];
  item: string;
}

/**
 * Beyond so many lines or words that went or came, everything counts as changed: a page must not
 * stand still (the work grows with the square of it; 2,000 take 0.15 s).
 */
const MOST_EDITS = 2_000;
/**
 * Where less than this part of the shorter line is in the longer one, they are not one line that
 * was changed.
 */
const ALIKE = 0.5;

const WORDS = /\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu;

const all = (kind: DiffLine["kind"], items: readonly string[]): Step[] =>
  items.map((item) => ({ kind, item }));

/**
 * The shortest way from one list to another. What is removed comes before what is added in its
 * place.
 */
function stepsBetween(from: string[], to: string[]): Step[] {
  const changes = diffArrays(from, to, { maxEditLength: MOST_EDITS });
  if (changes === undefined) return [...all("removed", from), ...all("added", to)];
  return changes.flatMap(({ value, removed, added }) =>
    all(removed ? "removed" : added ? "added" : "same", value),
  );
}

/** Neighbours of one kind are one piece. */
function piecesOf(steps: Step[], kind: "removed" | "added"): Piece[] {
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
function changedRun(run: Step[]): Unplaced[] {
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
  let run: Step[] = [];
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
