import type { ReactNode } from "react";
import { formatAge, formatMoment } from "../format.ts";
import { Link } from "../router.tsx";

/** One column: its name, and what it shows of a row. */
export interface Column<Row> {
  name: string;
  cell: (row: Row) => ReactNode;
  /** Aligned to the right, digits of one width. */
  isNumber?: boolean;
}

/** Rows, on narrow screens as cards. The roles are spelled out because a table that is laid out as blocks loses them. */
export function Table<Row extends { id: string }>({ name, columns, rows }: { name: string; columns: Column<Row>[]; rows: Row[] }) {
  return (
    <div className="table-frame">
      <table role="table" aria-label={name}>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map((column) => (
              <th key={column.name} role="columnheader" scope="col" className={column.isNumber === true ? "number" : ""}>
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={row.id} role="row">
              {columns.map((column) => (
                <td key={column.name} role="cell" data-label={column.name} className={column.isNumber === true ? "number" : ""}>
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

/** Links to the first and the next page of a list. `linkTo` makes a list's address from a cursor. */
export function Pager(props: { cursor: string | null; nextCursor: string | null; linkTo: (cursor: string | null) => string }) {
  const { cursor, nextCursor, linkTo } = props;
  if (cursor === null && nextCursor === null) return null;
  return (
    <nav className="pager" aria-label="Pages">
      {cursor !== null && <Link href={linkTo(null)}>← Newest</Link>}
      {nextCursor !== null && <Link href={linkTo(nextCursor)}>Older →</Link>}
    </nav>
  );
}
