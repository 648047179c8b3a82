/**
 * Why the database cannot be used, in one sentence that also says what to do. Thrown while opening
 * it, never later.
 */
export class DatabaseStartError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "DatabaseStartError";
  }
}

/**
 * The words of anything thrown, for a log line or a sentence; an error without a message is named
 * by its code.
 */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = errorCode(error);
  if (error.message === "") return code ?? error.name;
  return code === null || error.message.includes(code)
    ? error.message
    : `${error.message} (${code})`;
}

/** The `code` of a Node error or SQLSTATE of a PostgreSQL error, or null. */
export function errorCode(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : null;
}
