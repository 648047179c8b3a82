/** A row of a table under a name that others chose, or undefined where it has none of its own. */
export const own = <Row>(table: Record<string, Row>, name: string): Row | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;
