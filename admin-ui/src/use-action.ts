import { useState } from "react";
import { HttpError } from "./http.ts";

/**
 * Something that the reader does, one at a time: whether it is under way, and what the server had
 * against it.
 */
export interface Action {
  isRunning: boolean;
  error: Error | null;
  /** What is wrong with a field, where the error is about that field. */
  faultOf(field: string): string | null;
  /** The error, where it is about none of these fields. */
  faultBeside(fields: readonly string[]): string | null;
  run(work: () => Promise<void>): void;
}

/** The field that an error names: `env.TOKEN` is in the field `env`. */
const fieldOf = (error: Error | null) =>
  error instanceof HttpError ? (error.param?.split(".")[0] ?? null) : null;

/** An action of this component. */
export function useAction(): Action {
  const [isRunning, setIsRunning] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const run = (work: () => Promise<void>) => {
    setIsRunning(true);
    setError(null);
    work()
      .catch((fault: unknown) =>
        setError(fault instanceof Error ? fault : new Error(String(fault))),
      )
      .finally(() => setIsRunning(false));
  };
  return {
    isRunning,
    error,
    faultOf: (field) => (error !== null && fieldOf(error) === field ? error.message : null),
    faultBeside: (fields) =>
      error !== null && !fields.includes(fieldOf(error) ?? "") ? error.message : null,
    run,
  };
}
