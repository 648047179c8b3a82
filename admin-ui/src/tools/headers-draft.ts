/** Headers as they stand in a form, and how they become a field of the API. */
import { HttpError } from "../http.ts";

/** One header. Of a bearer token `value` is the token alone. */
export interface HeaderRow {
  /** Among the rows of its form. */
  id: number;
  name: string;
  value: string;
  isBearer: boolean;
}

/** What becomes of the headers that are stored. */
export type StoredHeaders = "keep" | "replace" | "remove";

/** An empty row for a form that has these already. */
export const newRow = (rows: HeaderRow[], isBearer: boolean): HeaderRow => ({
  id: Math.max(-1, ...rows.map(({ id }) => id)) + 1,
  name: isBearer ? "Authorization" : "",
  value: "",
  isBearer,
});

const fault = (message: string) => new HttpError(400, { param: "mcpHeaders", message });

/** People paste tokens with the word before them. */
const valueOf = ({ value, isBearer }: HeaderRow) =>
  isBearer ? `Bearer ${value.trim().replace(/^bearer\s+/i, "")}` : value.trim();

/** Headers by name; undefined where none was entered. @throws HttpError at `mcpHeaders` */
export function readHeaders(rows: HeaderRow[]): Record<string, string> | undefined {
  const entered = rows.filter(
    ({ name, value, isBearer }) => value.trim() !== "" || (!isBearer && name.trim() !== ""),
  );
  const names = entered.map(({ name }) => name.trim());
  if (names.includes("")) throw fault("A header has a value, but no name.");
  const again = names.find(
    (name, index) =>
      names.findIndex((other) => other.toLowerCase() === name.toLowerCase()) !== index,
  );
  if (again !== undefined) throw fault(`The header ${again} is there twice.`);
  return entered.length === 0
    ? undefined
    : Object.fromEntries(entered.map((row) => [row.name.trim(), valueOf(row)]));
}

/**
 * The field for the API: null takes all away, undefined leaves what is stored.
 * @throws HttpError at `mcpHeaders`
 */
export function headersField(
  rows: HeaderRow[],
  stored: StoredHeaders | null,
): Record<string, string> | null | undefined {
  if (stored === "remove") return null;
  if (stored === "keep") return undefined;
  const headers = readHeaders(rows);
  if (stored === "replace" && headers === undefined)
    throw fault("Enter what replaces the stored headers, or choose to remove them.");
  return headers;
}
