import { useCallback, useEffect, useState } from "react";
import { read, type Resource } from "./http.ts";

/** Something that is being read, was read, or could not be read. What was read stays while it is read again. */
export interface Loaded<T> {
  data: T | null;
  error: Error | null;
  isLoading: boolean;
  reload(): void;
}

interface Outcome<T> {
  key: string;
  data: T | null;
  error: Error | null;
}

const asError = (error: unknown) => (error instanceof Error ? error : new Error(String(error)));

/** Reads whatever `load` reads, again when `key` changes or on `reload`. `load` must depend on `key` only. */
export function useLoaded<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Loaded<T> {
  const [attempt, setAttempt] = useState(0);
  const [outcome, setOutcome] = useState<Outcome<T> & { attempt: number }>({ key: "", data: null, error: null, attempt: -1 });
  useEffect(() => {
    const leaving = new AbortController();
    load(leaving.signal).then(
      (data) => setOutcome({ key, data, error: null, attempt }),
      (error: unknown) => {
        if (leaving.signal.aborted) return;
        setOutcome((before) => ({ key, data: before.key === key ? before.data : null, error: asError(error), attempt }));
      },
    );
    return () => leaving.abort();
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- `load` is a new function on each render, and depends on `key` only
  }, [key, attempt]);
  const reload = useCallback(() => setAttempt((before) => before + 1), []);
  const isCurrent = outcome.key === key;
  return {
    data: isCurrent ? outcome.data : null,
    error: isCurrent ? outcome.error : null,
    isLoading: !isCurrent || outcome.attempt !== attempt,
    reload,
  };
}

/** Reads a resource, again when its path changes or on `reload`. */
export function useResource<T>(resource: Resource<T>): Loaded<T> {
  return useLoaded(resource.path, (signal) => read(resource, signal));
}
