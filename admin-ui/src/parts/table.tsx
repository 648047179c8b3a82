import { ArrowDown, ArrowUp } from "lucide-react";
import { useEffect, useRef, type ReactNode } from "react";
import { formatAge, formatMoment } from "../format.ts";
import type { Rows } from "../use-resource.ts";

/** One column: its name, and what it shows of a row. */
export interface Column<Row> {
  name: string;
  cell: (row: Row) => ReactNode;
  /** Aligned to the right, digits of one width. */
  isNumber?: boolean;
  /** What the list can be sorted by here. */
  sort?: string;
  /** What the column is called where it is wordless. */
  isNameless?: boolean;
}

/** By what a list is sorted, and how that is changed. */
export interface Sorting {
  by: string;
  order: "asc" | "desc";
  onSort: (by: string) => void;
}

function Heading<Row>({ column, sorting }: { column: Column<Row>; sorting: Sorting | undefined }) {
  const { name, sort, isNameless = false } = column;
  if (isNameless) return <span className="unseen">{name}</span>;
  if (sort === undefined || sorting === undefined) return name;
  const Arrow = sorting.order === "asc" ? ArrowUp : ArrowDown;
  return (
    <button type="button" className="sort" onClick={() => sorting.onSort(sort)}>
      {name}
      {sorting.by === sort && <Arrow aria-hidden="true" />}
    </button>
  );
}

function sortState(column: Column<never>, sorting: Sorting | undefined) {
  if (column.sort === undefined || sorting === undefined) return {};
  if (sorting.by !== column.sort) return { "aria-sort": "none" } as const;
  return { "aria-sort": sorting.order === "asc" ? "ascending" : "descending" } as const;
}

interface TableProps<Row> {
  name: string;
  columns: Column<Row>[];
  rows: Row[];
  sorting?: Sorting;
  /** Rows that came while the reader looked on. */
  fresh?: ReadonlySet<string>;
}

/**
 * Rows, on narrow screens as cards. The roles are spelled out because a table that is laid out as
 * blocks loses them.
 */
export function Table<Row extends { id: string }>({
  name,
  columns,
  rows,
  sorting,
  fresh,
}: TableProps<Row>) {
  return (
    <div className="table-frame">
      <table role="table" aria-label={name}>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => (
              <th
                key={column.name}
                role="columnheader"
                scope="col"
                className={column.isNumber === true ? "number" : ""}
                {...sortState(column as Column<never>, sorting)}
              >
                <Heading column={column} sorting={sorting} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={row.id} role="row" className={fresh?.has(row.id) === true ? "fresh" : ""}>
              {columns.map((column) => (
                <td
                  key={column.name}
                  role="cell"
                  data-label={column.isNameless === true ? "" : column.name}
                  className={column.isNumber === true ? "number" : ""}
                >
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A moment as its age; the exact time is in its tooltip. */
export function Moment({ iso }: { iso: string }) {
  return (
    <time dateTime={iso} title={formatMoment(iso)}>
      {formatAge(iso)}
    </time>
  );
}

/** The end of a list: more of it comes when it is scrolled to, or at the button. */
export function MoreRows<Row>({ of }: { of: Rows<Row> }) {
  const end = useRef<HTMLDivElement>(null);
  const { hasMore, isLoadingMore, loadMore } = of;
  useEffect(() => {
    const element = end.current;
    if (element === null || !hasMore || isLoadingMore) return undefined;
    const observer = new IntersectionObserver(([entry]) => {
      if (entry?.isIntersecting === true) loadMore();
    });
    observer.observe(element);
    return () => observer.disconnect();
  });
  if (!hasMore) return null;
  return (
    <div className="more" ref={end}>
      <button type="button" onClick={loadMore} disabled={isLoadingMore}>
        {isLoadingMore ? "Loading…" : "Show more"}
      </button>
    </div>
  );
}
