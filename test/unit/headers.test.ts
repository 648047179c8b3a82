import { describe, expect, it } from "vitest";
import { crossingHeaders, HEADER_RULES } from "../../src/upstream/headers.ts";
import { CROSSING, WITNESSES } from "../helpers/header-witnesses.ts";

const DIRECTIONS = ["request", "response"] as const;
type Direction = (typeof DIRECTIONS)[number];

/** The rows that keep a header back, by the words of the table. */
function rowsFor(header: string, direction: Direction): string[] {
  return HEADER_RULES.filter(({ name, dropFrom }) => {
    const [start = "", ...others] = name.split("*");
    const isNamed =
      others.length === 0
        ? header === name
        : header.startsWith(start) && header.endsWith(others.at(-1) ?? "");
    const holdsAll = others.every((part) => header.includes(part));
    return isNamed && holdsAll && (dropFrom === "both" || dropFrom === direction);
  }).map(({ name }) => name);
}

const headersOf = (names: string[]): [string, string][] => names.map((name) => [name, "x"]);

describe("the header table", () => {
  it("has a witness for each of its rows, in each direction, and no other", () => {
    const rows = HEADER_RULES.flatMap(({ name, dropFrom }) =>
      DIRECTIONS.filter((way) => dropFrom === "both" || dropFrom === way).map(
        (way) => `${name} ${way}`,
      ),
    );
    const witnessed = WITNESSES.flatMap((witness) =>
      DIRECTIONS.filter((way) => witness[way] !== undefined).map((way) => `${witness.row} ${way}`),
    );
    expect(witnessed.toSorted()).toEqual(rows.toSorted());
    expect(new Set(rows).size).toBe(rows.length);
  });

  it.each(DIRECTIONS)("keeps each witness of a %s back, by its own row alone", (direction) => {
    for (const witness of WITNESSES)
      for (const header of witness[direction] ?? [])
        expect([header, ...rowsFor(header, direction)]).toEqual([header, witness.row]);
    const all = WITNESSES.flatMap((witness) => witness[direction] ?? []);
    expect(crossingHeaders(headersOf(all), direction)).toEqual({});
  });

  it("lets everything else through, and what Connection names stays behind", () => {
    for (const direction of DIRECTIONS) {
      const crossed = crossingHeaders(headersOf(CROSSING[direction]), direction);
      expect(Object.keys(crossed)).toEqual(CROSSING[direction]);
      const named = crossingHeaders(
        [
          ["connection", "close, X-Named"],
          ["x-named", "x"],
          ["x-other", "y"],
        ],
        direction,
      );
      expect(named).toEqual({ "x-other": "y" });
    }
  });

  it("gives a reason for each row", () => {
    for (const { why } of HEADER_RULES) expect(why).toMatch(/\w+ \w+|hop-by-hop/);
  });
});
