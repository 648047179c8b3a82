import { Radio } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import type { Conversation } from "../api-shapes.ts";
import { followConversations, HttpError, type Query } from "../http.ts";

/** How long the tail waits before it connects again. */
const AGAIN_MS = 3000;
const LONGEST_TAIL = 500;

interface Tail {
  /** What it follows. */
  key: string;
  /** What came since the tail began, newest first. */
  rows: Conversation[];
  error: string | null;
}

const EMPTY: Tail = { key: "", rows: [], error: null };

async function follow(
  filter: Query,
  signal: AbortSignal,
  show: (row: Conversation) => void,
): Promise<void> {
  for await (const row of followConversations(filter, signal)) show(row);
}

/** Conversations as they come, while `isOn`. */
export function useTail(filter: Query, isOn: boolean): Tail {
  const key = JSON.stringify(filter);
  const [tail, setTail] = useState<Tail>(EMPTY);
  useEffect(() => {
    if (!isOn) return undefined;
    const leaving = new AbortController();
    const rowsOf = (before: Tail) => (before.key === key ? before.rows : []);
    const show = (row: Conversation) =>
      setTail((before) => ({
        key,
        rows: [row, ...rowsOf(before).filter(({ id }) => id !== row.id)].slice(0, LONGEST_TAIL),
        error: null,
      }));
    const connect = (): void => {
      if (leaving.signal.aborted) return;
      follow(JSON.parse(key) as Query, leaving.signal, show).then(
        () => setTimeout(connect, AGAIN_MS),
        (error: unknown) => {
          if (leaving.signal.aborted) return;
          const isFinal = error instanceof HttpError && error.status >= 400 && error.status < 500;
          setTail((before) => ({
            key,
            rows: rowsOf(before),
            error: error instanceof Error ? error.message : String(error),
          }));
          if (!isFinal) setTimeout(connect, AGAIN_MS);
        },
      );
    };
    connect();
    return () => leaving.abort();
  }, [key, isOn]);
  return isOn && tail.key === key ? tail : EMPTY;
}

/** A list with what came since on top, and changed rows as they are now. */
export function useWithTail(
  rows: Conversation[],
  tail: Tail,
): { rows: Conversation[]; fresh: ReadonlySet<string> } {
  return useMemo(() => {
    const known = new Set(rows.map(({ id }) => id));
    const changed = new Map(tail.rows.map((row) => [row.id, row]));
    const added = tail.rows.filter(({ id }) => !known.has(id));
    const newestFirst = added.toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
    return {
      rows: [...newestFirst, ...rows.map((row) => changed.get(row.id) ?? row)],
      fresh: new Set(changed.keys()),
    };
  }, [rows, tail]);
}

/** Begins and ends the live tail. */
export function LiveSwitch({ isOn, onTurn }: { isOn: boolean; onTurn: () => void }) {
  return (
    <button
      type="button"
      className={isOn ? "pill live on" : "pill live"}
      aria-pressed={isOn}
      onClick={onTurn}
    >
      <Radio aria-hidden="true" />
      Live
    </button>
  );
}
